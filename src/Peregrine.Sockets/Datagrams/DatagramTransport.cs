using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Peregrine.Sockets.Datagrams;
using Peregrine.Sockets.EventLoops;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets;

/// <summary>
/// The datagram transport: UDP sockets that are bound, or connected to one peer. On Linux many datagrams are received, and sent, with each system call (recvmmsg(2), sendmmsg(2)), put
/// together by the kernel where it can (UDP_GRO and UDP_SEGMENT, udp(7)); elsewhere it is one datagram with each.
/// </summary>
/// <remarks>Safe to use from any thread. It outlives its sockets and needs no disposal.</remarks>
public sealed class DatagramTransport : IDatagramTransport
{
    // 64 bits: the layouts of the system calls.
    private static readonly bool HasCalls = OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    // A buffer is twice what is asked for, since the bookkeeping is inside it (socket(7)).
    private const int Doubled = 2;

    private readonly DatagramTransportOptions _options;
    private readonly DatagramSockets _sockets;
    private readonly ILogger _logger;
    private readonly StallReport _stalls;

    /// <summary>Makes a transport.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range; the parameter's name is the option's path.</exception>
    public DatagramTransport(DatagramTransportOptions options, ILoggerFactory loggerFactory)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggerFactory);
        foreach (var (option, value, accepted) in DatagramOptionRanges.Check(
            options.Listeners, options.BatchSize, options.MaxDatagramSizeInBytes, options.MaxQueuedBytes, options.MaxQueuedDatagrams, options.Socket))
        {
            throw new ArgumentOutOfRangeException(option, value, $"{option} takes {accepted}.");
        }

        _options = options;
        _sockets = new DatagramSockets(options.Socket);
        _logger = new GuardedLogger(loggerFactory.CreateLogger("Peregrine.Sockets"));
        _stalls = new StallReport(options.TimeProvider, _logger);
    }

    /// <summary>
    /// Binds to <paramref name="endPoint"/>. <see cref="IPAddress.IPv6Any"/> receives over IPv6 and, unless <see cref="DatagramSocketOptions.IPv6Only"/> is set, IPv4. Port 0
    /// takes a free port: <see cref="IDatagramSocket.LocalEndPoint"/> tells which.
    /// </summary>
    /// <exception cref="AddressInUseException">The port is in use.</exception>
    /// <exception cref="NotSupportedException">The endpoint is of a type that cannot be bound to.</exception>
    /// <exception cref="SocketOptionException">An option cannot be had for the address or on this platform, or the kernel refuses it.</exception>
    /// <exception cref="SocketException">The system refuses, for example a privileged port or an address of another machine.</exception>
    public ValueTask<IDatagramSocket> BindAsync(EndPoint endPoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        if (endPoint is not IPEndPoint address)
        {
            throw new NotSupportedException($"Cannot bind to {endPoint}: the datagram transport takes an IPEndPoint.");
        }

        cancellationToken.ThrowIfCancellationRequested();
        return OpenAsync(_sockets.Bind(address, _options.Listeners));
    }

    /// <summary>
    /// Makes a socket that sends to one peer, and receives from it only: of a <see cref="DnsEndPoint"/>, to the first of its addresses to which there is a way. Nobody is asked, so that
    /// there may be nobody. <see cref="DatagramTransportOptions.Listeners"/> has no effect.
    /// </summary>
    /// <exception cref="NotSupportedException">The endpoint is of a type that cannot be connected to.</exception>
    /// <exception cref="SocketException">There is no way to it, or no address of such a name.</exception>
    /// <exception cref="SocketOptionException">An option cannot be had for the address or on this platform, or the kernel refuses it.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled first.</exception>
    public async ValueTask<IDatagramSocket> ConnectAsync(EndPoint endPoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        cancellationToken.ThrowIfCancellationRequested();
        if (endPoint is IPEndPoint peer)
        {
            return await OpenAsync([_sockets.Connect(peer)]).ConfigureAwait(false);
        }

        if (endPoint is not DnsEndPoint host)
        {
            throw new NotSupportedException($"Cannot connect to {endPoint}: the datagram transport takes an IPEndPoint or a DnsEndPoint.");
        }

        SocketException? last = null;
        foreach (var address in await Dns.GetHostAddressesAsync(host.Host, host.AddressFamily, cancellationToken).ConfigureAwait(false))
        {
            try
            {
                return await OpenAsync([_sockets.Connect(new IPEndPoint(address, host.Port))]).ConfigureAwait(false);
            }
            catch (SocketException exception)
            {
                last = exception;
            }
        }

        throw last ?? new SocketException((int)SocketError.HostNotFound);
    }

    private async ValueTask<IDatagramSocket> OpenAsync(Socket[] sockets)
    {
        var opened = new List<IDatagramSocket>(sockets.Length);
        try
        {
            var io = ChooseIo(sockets[0]);
            var loops = io == DatagramIo.Batched ? ChooseLoops() : null;
            var coalescing = false;
            var segmentation = false;
            if (loops is null && _options.Socket.ReceiveMarks)
            {
                throw new SocketOptionException("Socket.ReceiveMarks", true, "datagrams that are received one by one do not tell them; remove the option, or use Io = \"Batched\"");
            }

            if (loops is null && _options.Scheduling != ConnectionScheduling.ThreadPool)
            {
                SocketsLog.DatagramLoopNotPossible(_logger, _options.Scheduling);
            }

            foreach (var socket in sockets)
            {
                if (loops is null)
                {
                    opened.Add(new RuntimeDatagramSocket(socket, ShapeOf(socket, coalescing: false, hasControl: false), _options, _logger));
                    continue;
                }

                coalescing = _options.Coalescing && TrySet(RawOption.Coalesce, socket);
                segmentation = _options.Segmentation && Has(RawOption.Segment, socket);
                var hasControl = _sockets.AskForControl(socket, IsBoundToAll(socket)) || coalescing;
                opened.Add(new LoopDatagramSocket(
                    socket,
                    ShapeOf(socket, coalescing, hasControl),
                    segmentation ? DatagramLimits.LargestPayload : 0,
                    _options,
                    new LoopOrigin(loops, socket.LocalEndPoint, _stalls, _logger)));
            }

            Report(sockets, io, coalescing, segmentation);
            return opened is [var only] ? only : new SharedPortDatagramSocket(opened);
        }
        catch
        {
            // Those that are opened own theirs; a second disposal does nothing.
            foreach (var socket in opened)
            {
                await socket.DisposeAsync().ConfigureAwait(false);
            }

            Array.ForEach(sockets, socket => socket.Dispose());
            throw;
        }
    }

    private DatagramIo ChooseIo(Socket socket)
    {
        if (_options.Io == DatagramIo.OneByOne)
        {
            return DatagramIo.OneByOne;
        }

        if (HasCalls && _options.Calls.AreAllowed((int)socket.SafeHandle.DangerousGetHandle()))
        {
            return DatagramIo.Batched;
        }

        return _options.Io == DatagramIo.Auto
            ? DatagramIo.OneByOne
            : throw new SocketOptionException(
                nameof(_options.Io),
                _options.Io,
                HasCalls
                    ? "a sandbox refuses recvmmsg and sendmmsg (seccomp); allow them, or use \"Auto\""
                    : "recvmmsg and sendmmsg exist on 64-bit Linux only; use \"Auto\"");
    }

    private ILoops ChooseLoops() => _options.Loops ?? _options.Scheduling switch
    {
        ConnectionScheduling.EventLoop => LoopGroup.Shared,
        ConnectionScheduling.Inline => LoopGroup.Inline,
        _ => PoolLoops.Shared,
    };

    private ReceiveShape ShapeOf(Socket socket, bool coalescing, bool hasControl)
    {
        var local = new DatagramAddress((IPEndPoint)socket.LocalEndPoint!);
        return new ReceiveShape(
            _options.BatchSize,
            _options.MaxDatagramSizeInBytes,
            coalescing,
            hasControl,
            socket.Connected ? new DatagramAddress((IPEndPoint)socket.RemoteEndPoint!) : DatagramAddress.Unspecified,
            local.IsUnspecified ? DatagramAddress.Unspecified.WithPort(local.Port) : local);
    }

    private static bool IsBoundToAll(Socket socket) => new DatagramAddress((IPEndPoint)socket.LocalEndPoint!).IsUnspecified;

    private static bool TrySet(RawOption option, Socket socket)
    {
        try
        {
            option.Set(socket, 1);
            return true;
        }
        catch (SocketException)
        {
            return false; // A kernel that does not have it.
        }
    }

    private static bool Has(RawOption option, Socket socket)
    {
        try
        {
            option.Get(socket);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private void Report(Socket[] sockets, DatagramIo io, bool coalescing, bool segmentation)
    {
        var socket = sockets[0];
        var granted = OperatingSystem.IsLinux() ? socket.ReceiveBufferSize / Doubled : socket.ReceiveBufferSize;
        SocketsLog.DatagramsBound(_logger, socket.LocalEndPoint!, io, sockets.Length, _options.BatchSize, coalescing, segmentation, granted);
        ReportIfLess("Socket.ReceiveBufferSizeInBytes", _options.Socket.ReceiveBufferSizeInBytes, granted, "net.core.rmem_max");
        if (_options.Socket.SendBufferSizeInBytes is { } send)
        {
            ReportIfLess("Socket.SendBufferSizeInBytes", send, OperatingSystem.IsLinux() ? socket.SendBufferSize / Doubled : socket.SendBufferSize, "net.core.wmem_max");
        }
    }

    private void ReportIfLess(string option, int asked, int granted, string sysctl)
    {
        if (OperatingSystem.IsLinux() && granted < asked)
        {
            SocketsLog.GrantedOtherwise(_logger, option, asked, granted, sysctl);
        }
    }
}

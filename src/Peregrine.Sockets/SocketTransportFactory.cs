using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.ObjectPool;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.EventLoops;
using Peregrine.Sockets.Listening;
using Peregrine.Sockets.Time;
using Peregrine.Sockets.Tuning;

namespace Peregrine.Sockets;

/// <summary>
/// The socket transport: listens and connects over TCP (<see cref="IPEndPoint"/>; to connect, <see cref="DnsEndPoint"/> too) and Unix
/// domain sockets (<see cref="UnixDomainSocketEndPoint"/>). Its connections receive into and send from pooled buffers directly.
/// </summary>
/// <remarks>
/// <para>Safe to use from any thread. It outlives its listeners and connections and needs no disposal.</para>
/// <para>
/// <see cref="BaseConnectionContext.DisposeAsync"/> of a connection closes gracefully: it sends what was written, then FIN, and discards what
/// the peer still sends until the peer's FIN, for 5 seconds of silence or 30 seconds in all at most, so that the peer gets every byte.
/// For an accepted connection the task completes when the socket is released; for one that was made by <see cref="ConnectAsync"/> it
/// completes when the FIN is sent. <see cref="ConnectionContext.Abort(ConnectionAbortedException)"/> resets the connection instead. A Unix
/// domain socket has no reset: the peer of an aborted one reads to an end, unless the side that aborted had unread bytes.
/// </para>
/// <para>
/// Reads fail with <see cref="ConnectionResetException"/> after a reset by the peer and with <see cref="ConnectionAbortedException"/> after
/// an abort by this side; flushes then return a completed result and never throw. Bytes that are examined and not consumed are bounded by
/// <see cref="SocketTransportOptions.MaxUnreadBytes"/>.
/// </para>
/// </remarks>
public sealed class SocketTransportFactory : IConnectionListenerFactory, IConnectionFactory
{
    private readonly SocketTransportOptions _options;
    private readonly StreamSettings _settings;
    // 64 bits: the layouts of the system calls.
    private static readonly bool HasEpoll = OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    private static int s_loopsReported;

    private readonly ILogger _logger;
    private readonly StallReport _stalls;
    private readonly SocketTuning _tuning;
    private readonly GrantReport _grants;
    private readonly ObjectPool<SaeaStreamSocket.SendArgs> _sendArgs =
        new DefaultObjectPool<SaeaStreamSocket.SendArgs>(new SaeaStreamSocket.SendArgsPolicy(), maximumRetained: 256);

    /// <summary>Makes a transport.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range; the parameter's name is the option's path.</exception>
    public SocketTransportFactory(SocketTransportOptions options, ILoggerFactory loggerFactory)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggerFactory);
        foreach (var (option, value, accepted) in OptionRanges.Check(
            options.Backlog, options.Listeners, options.AcceptSlots, options.MaxUnreadBytes, options.Socket, options.Close))
        {
            throw new ArgumentOutOfRangeException(option, value, $"{option} takes {accepted}.");
        }

        _options = options;
        _logger = new GuardedLogger(loggerFactory.CreateLogger(SocketsLog.Category));
        _tuning = new SocketTuning(options.Socket);
        _grants = new GrantReport(options, _logger);
        _settings = options.StreamSettings ?? new StreamSettings
        {
            Pool = options.MemoryPool,
            Heartbeat = new Heartbeat(options.TimeProvider),
            Logger = _logger,
            MaxUnreadBytes = options.MaxUnreadBytes,
            Close = options.Close,
            Lingering = new LingeringCloses(options.Close.MaxLingering),
        };
        if (options.Scheduling != ConnectionScheduling.ThreadPool && !HasEpoll && Interlocked.Exchange(ref s_loopsReported, 1) == 0)
        {
            SocketsLog.EventLoopNotPossible(_logger, options.Scheduling);
        }

        _stalls = new StallReport(options.TimeProvider, _logger);
    }

    /// <summary>Listens on <paramref name="endpoint"/>. <see cref="IPAddress.IPv6Any"/> listens on IPv6 and, unless <see cref="SocketOptions.IPv6Only"/> is set, IPv4.</summary>
    /// <remarks>
    /// <para>
    /// The file of a Unix domain socket that nobody listens on any more is replaced; it is removed when the listener is closed.
    /// Port 0 takes a free port: the listener's <see cref="IConnectionListener.EndPoint"/> tells which.
    /// </para>
    /// <para>
    /// A <see cref="FileHandleEndPoint"/> is the number of a descriptor that the process was started with, of a socket that listens (Linux); its
    /// type is not looked at. It stays open for the whole process, so that it can be listened on again, and programs that are started do not
    /// inherit it. The socket goes on listening when the listener is closed, and what it has queued stays for the others that hold it; they find it
    /// non-blocking, with the options of the connections set.
    /// <see cref="SocketTransportOptions.Backlog"/> has no effect.
    /// </para>
    /// </remarks>
    /// <exception cref="AddressInUseException">The port or path is in use, or the path is a file that is not a socket.</exception>
    /// <exception cref="InvalidOperationException">The descriptor of a <see cref="FileHandleEndPoint"/> is no listening stream socket.</exception>
    /// <exception cref="NotSupportedException">The endpoint is of a type that cannot be listened on.</exception>
    /// <exception cref="SocketOptionException">An option cannot be had for the address or on this platform, or the kernel refuses it.</exception>
    /// <exception cref="SocketException">The system refuses, for example a privileged port or an address of another machine.</exception>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        if (endpoint is not (IPEndPoint or UnixDomainSocketEndPoint or FileHandleEndPoint))
        {
            throw new NotSupportedException(
                $"Cannot listen on {endpoint}: the socket transport takes an IPEndPoint, a UnixDomainSocketEndPoint or a FileHandleEndPoint.");
        }

        cancellationToken.ThrowIfCancellationRequested();
        if (endpoint is FileHandleEndPoint inherited)
        {
            var listening = InheritedSocket.Open(inherited, _options.Listeners, _tuning);
            var bound = listening.LocalEndPoint!;
            return new ValueTask<IConnectionListener>(Listen(listening, isInherited: true, CreateAcceptor(listening, bound, OriginOf(bound))));
        }

        if (endpoint is UnixDomainSocketEndPoint unix)
        {
            UnixSocketFile.RemoveStale(unix);
        }

        var sockets = ListeningSockets.Open(endpoint, _options.Listeners, _options.Backlog, _tuning);
        _grants.Report(sockets[0]);
        var address = sockets[0].LocalEndPoint!;
        var acceptors = new List<IAcceptor>(sockets.Length);
        SocketConnectionListener[] listeners;
        try
        {
            var origin = OriginOf(address);
            Array.ForEach(sockets, listening => acceptors.Add(CreateAcceptor(listening, address, origin)));
            listeners = [.. sockets.Zip(acceptors, (listening, acceptor) => Listen(listening, isInherited: false, acceptor))];
        }
        catch
        {
            // Descriptors or threads are short for event loops.
            acceptors.ForEach(acceptor => acceptor.Release());
            Array.ForEach(sockets, socket => socket.Dispose());
            throw;
        }

        return new ValueTask<IConnectionListener>(listeners is [var only] ? only : new SharedPortListener(listeners, _options.AcceptSlots));
    }

    /// <summary>Connects to <paramref name="endpoint"/>: of a <see cref="DnsEndPoint"/>, to the first of its addresses that answers.</summary>
    /// <exception cref="SocketException">The connection could not be made.</exception>
    /// <exception cref="SocketOptionException">An option cannot be had for the address or on this platform, or the kernel refuses it.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled first.</exception>
    public async ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        if (endpoint is not DnsEndPoint host)
        {
            return await ConnectToAddressAsync(endpoint, cancellationToken).ConfigureAwait(false);
        }

        // By hand, because the runtime tries several addresses with one socket only if none of its options were set by number.
        var addresses = await Dns.GetHostAddressesAsync(host.Host, host.AddressFamily, cancellationToken).ConfigureAwait(false);
        SocketException? last = null;
        foreach (var address in addresses)
        {
            try
            {
                return await ConnectToAddressAsync(new IPEndPoint(address, host.Port), cancellationToken).ConfigureAwait(false);
            }
            catch (SocketException exception)
            {
                last = exception;
            }
        }

        throw last ?? new SocketException((int)SocketError.HostNotFound);
    }

    private async ValueTask<ConnectionContext> ConnectToAddressAsync(EndPoint address, CancellationToken cancellationToken)
    {
        var socket = SocketTuning.Create(address);
        try
        {
            _tuning.ApplyToConnecting(socket, address);
            await socket.ConnectAsync(address, cancellationToken).ConfigureAwait(false);
            return Connected(socket, socket.LocalEndPoint, lingerInBackground: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Null for connections on the runtime's sockets, elsewhere than on Linux.</summary>
    private LoopOrigin? OriginOf(EndPoint address) => !HasEpoll || _options.UsesEventArgs ? null : OriginOf(address, _options.Scheduling switch
    {
        ConnectionScheduling.EventLoop => _options.EventLoops ?? LoopGroup.Shared,
        ConnectionScheduling.Inline => LoopGroup.Inline,
        _ => PoolLoops.Shared,
    });

    private LoopOrigin OriginOf(EndPoint address, ILoops loops) => new(loops, address, _stalls, _logger)
    {
        UnsentBound = SendAllowance.BoundOf(_options.Socket.UnsentLowWatermarkInBytes ?? SocketTuning.DefaultUnsentLowWatermark),
    };

    private SocketConnectionListener Listen(Socket listening, bool isInherited, IAcceptor acceptor) =>
        new(listening, isInherited, acceptor, _options.AcceptSlots, _options.TimeProvider, _logger);

    private IAcceptor CreateAcceptor(Socket listening, EndPoint address, LoopOrigin? origin)
    {
        if (origin is not null)
        {
            return new LoopAcceptor(
                listening,
                (descriptor, peer, unixPeer) => Accepted(new LoopSocket(descriptor, peer, unixPeer is null, origin.Loops.Next(), origin), address, unixPeer),
                origin);
        }

        // The runtime's accept ends the process where the path of a client's socket is longer than that of the listener.
        return HasEpoll && address is UnixDomainSocketEndPoint
            ? new LoopAcceptor(
                listening,
                (descriptor, _, unixPeer) => Accepted(descriptor, address, unixPeer),
                OriginOf(address, PoolLoops.Shared))
            : new SocketAcceptor(listening, socket => Accepted(socket, address), _logger);
    }

    private StreamConnection<SaeaStreamSocket> Accepted(Socket socket, EndPoint listener, EndPoint? peer = null)
    {
        _tuning.ApplyToAccepted(socket);
        return Connected(socket, listener, lingerInBackground: false, peer);
    }

    private StreamConnection<SaeaStreamSocket> Accepted(int descriptor, EndPoint listener, EndPoint? peer)
    {
        var handle = new SafeSocketHandle(descriptor, ownsHandle: true);
        try
        {
            return Accepted(new Socket(handle), listener, peer);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private StreamConnection<SaeaStreamSocket> Connected(Socket socket, EndPoint? local, bool lingerInBackground, EndPoint? peer = null) =>
        new(new SaeaStreamSocket(socket, _sendArgs, _settings), _settings, lingerInBackground)
        {
            Socket = socket,
            LocalEndPoint = KnownAddress(local),
            RemoteEndPoint = peer ?? socket.RemoteEndPoint,
        };

    private StreamConnection<LoopStreamSocket> Accepted(LoopSocket socket, EndPoint listener, EndPoint? peer)
    {
        if (!socket.IsTcp && _options.Socket.SendBufferSizeInBytes is { } size)
        {
            // A TCP socket has its options from the one that listens.
            socket.SetSendBufferSize(size);
        }

        return new StreamConnection<LoopStreamSocket>(new LoopStreamSocket(socket), _settings, lingerInBackground: false)
        {
            Connected = socket,
            LocalEndPoint = KnownAddress(listener),
            RemoteEndPoint = peer,
        };
    }

    /// <summary>A listener on every address does not tell which one it was: then the connection asks, if somebody wants to know.</summary>
    private static EndPoint? KnownAddress(EndPoint? local) =>
        local is IPEndPoint { Address: var address } && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any)) ? null : local;
}

using System.Net;
using System.Net.Sockets;
using System.Text;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Tuning;

/// <summary>Sets the options of sockets. What they are is read once, when it is made.</summary>
internal sealed class SocketTuning
{
    /// <summary>A peer that does not read costs 36 KiB of kernel memory with it and 4.2 MB without (measured).</summary>
    public const int DefaultUnsentLowWatermark = 16 * 1024;

    // A peer that is gone is found out after three minutes; load balancers and routers forget a silent connection after four and more.
    private static readonly TimeSpan DefaultKeepAliveTime = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan DefaultKeepAliveInterval = TimeSpan.FromSeconds(15);
    private const int DefaultKeepAliveCount = 4;

    // The two low bits of the byte are ECN, which the kernel keeps.
    private const int DscpShift = 2;

    private readonly SocketOptions _options;
    private readonly List<Step> _all = [];
    private readonly List<Step> _tcp = [];
    private readonly List<Step> _listening = [];

    public SocketTuning(SocketOptions options)
    {
        _options = options;
        if (options.SendBufferSizeInBytes is { } send)
        {
            Add(_all, nameof(options.SendBufferSizeInBytes), send, socket => socket.SendBufferSize = send);
        }

        AddTcp(options);
        AddKeepAlive(options.KeepAlive);
        if (options.FastOpenQueueLength is > 0 and var length)
        {
            Add(_listening, nameof(options.FastOpenQueueLength), length, socket => RawOption.FastOpen.Set(socket, length));
        }
    }

    /// <summary>A stream socket of the family of an address, its options as the runtime leaves them.</summary>
    public static Socket Create(EndPoint endpoint)
    {
        if (endpoint is UnixDomainSocketEndPoint)
        {
            return new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        }

        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        if (endpoint is IPEndPoint { Address.IsIPv4MappedToIPv6: true })
        {
            socket.DualMode = true;
        }

        return socket;
    }

    /// <summary>Before the bind.</summary>
    /// <exception cref="SocketOptionException">An option cannot be had for the address, or is refused.</exception>
    public void ApplyToListening(Socket socket, EndPoint address)
    {
        OptionSupport.Check(_options, address, isListening: true, OperatingSystem.IsLinux());
        if (address is IPEndPoint ip && ip.Address.Equals(IPAddress.IPv6Any))
        {
            socket.DualMode = !_options.IPv6Only;
        }

        Apply(socket);
        foreach (var step in _listening)
        {
            SetByName(step, socket);
        }
    }

    /// <summary>To a socket that listens already, and has been made elsewhere.</summary>
    /// <exception cref="SocketOptionException">An option cannot be had for such a socket, or is refused.</exception>
    public void ApplyToInherited(Socket socket)
    {
        OptionSupport.CheckInherited(_options);
        OptionSupport.Check(_options, socket.LocalEndPoint!, isListening: true, OperatingSystem.IsLinux());
        Apply(socket);
    }

    /// <summary>Before the connect.</summary>
    /// <exception cref="SocketOptionException">An option cannot be had for the address, or is refused.</exception>
    public void ApplyToConnecting(Socket socket, EndPoint address)
    {
        OptionSupport.Check(_options, address, isListening: false, OperatingSystem.IsLinux());
        Apply(socket);
    }

    /// <summary>
    /// Nothing for TCP on Linux, where an accepted socket has every option of the one that listens: no system call is spent on it.
    /// </summary>
    /// <exception cref="SocketException">The connection is gone.</exception>
    public void ApplyToAccepted(Socket socket)
    {
        var isTcp = socket.ProtocolType == ProtocolType.Tcp;
        if (isTcp && OperatingSystem.IsLinux())
        {
            return;
        }

        foreach (var step in isTcp ? [.. _all, .. _tcp] : _all)
        {
            try
            {
                step.Set(socket);
            }
            catch (SocketException) when (step.IsDefault)
            {
                // As above; a connection that is gone tells of it when it is used.
            }
        }
    }

    private void Apply(Socket socket)
    {
        foreach (var step in _all)
        {
            SetByName(step, socket);
        }

        if (socket.ProtocolType == ProtocolType.Tcp)
        {
            foreach (var step in _tcp)
            {
                SetByName(step, socket);
            }
        }
    }

    private static void SetByName(Step step, Socket socket)
    {
        try
        {
            step.Set(socket);
        }
        catch (SocketException) when (step.IsDefault)
        {
            // Nobody asked for it: a kernel that does not have it (gVisor) is no reason not to start.
        }
        catch (SocketException exception)
        {
            throw new SocketOptionException(step.Option, step.Value, OptionSupport.Explain(step.Option, exception), exception);
        }
    }

    private void AddTcp(SocketOptions options)
    {
        var noDelay = options.NoDelay;
        Add(_tcp, nameof(options.NoDelay), noDelay, socket => socket.NoDelay = noDelay);
        if (options.ReceiveBufferSizeInBytes is { } receive)
        {
            Add(_tcp, nameof(options.ReceiveBufferSizeInBytes), receive, socket => socket.ReceiveBufferSize = receive);
        }

        if (options.Linger is { } linger)
        {
            Add(_tcp, nameof(options.Linger), linger, static socket => socket.LingerState = new LingerOption(enable: true, seconds: 0));
        }

        if (options.UserTimeout is { } timeout)
        {
            Add(_tcp, nameof(options.UserTimeout), timeout, socket => RawOption.UserTimeout.Set(socket, (int)timeout.TotalMilliseconds));
        }

        if (options.UnsentLowWatermarkInBytes is { } watermark)
        {
            Add(_tcp, nameof(options.UnsentLowWatermarkInBytes), watermark, socket => RawOption.UnsentLowWatermark.Set(socket, watermark));
        }
        else if (OperatingSystem.IsLinux())
        {
            _tcp.Add(new Step("", "", static socket => RawOption.UnsentLowWatermark.Set(socket, DefaultUnsentLowWatermark), IsDefault: true));
        }

        if (options.Dscp is { } dscp)
        {
            Add(_tcp, nameof(options.Dscp), dscp, socket => SetDscp(socket, dscp << DscpShift));
        }

        if (options.Device is { } device)
        {
            Add(_tcp, nameof(options.Device), device, socket => RawOption.BindToDevice.Set(socket, Encoding.UTF8.GetBytes(device)));
        }
    }

    private void AddKeepAlive(KeepAliveOptions options)
    {
        if (options.Time == TimeSpan.Zero)
        {
            return;
        }

        _tcp.Add(new Step(
            "Socket.KeepAlive", true, static socket => socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true),
            IsDefault: options is { Time: null, Interval: null, Count: null }));
        AddNumber(nameof(options.Time), options.Time, (int)(options.Time ?? DefaultKeepAliveTime).TotalSeconds, SocketOptionName.TcpKeepAliveTime);
        AddNumber(nameof(options.Interval), options.Interval, (int)(options.Interval ?? DefaultKeepAliveInterval).TotalSeconds, SocketOptionName.TcpKeepAliveInterval);
        AddNumber(nameof(options.Count), options.Count, options.Count ?? DefaultKeepAliveCount, SocketOptionName.TcpKeepAliveRetryCount);

        void AddNumber(string option, object? value, int number, SocketOptionName name) => _tcp.Add(new Step(
            $"Socket.KeepAlive.{option}", value ?? number, socket => socket.SetSocketOption(SocketOptionLevel.Tcp, name, number), IsDefault: value is null));
    }

    public static void SetDscp(Socket socket, int typeOfService)
    {
        // A socket of IPv6 sends IPv4 packets too, to peers of that family.
        socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.TypeOfService, typeOfService);
        if (socket.AddressFamily == AddressFamily.InterNetworkV6)
        {
            RawOption.TrafficClass.Set(socket, typeOfService);
        }
    }

    private static void Add(List<Step> steps, string option, object value, Action<Socket> set) => steps.Add(new Step($"Socket.{option}", value, set));

    private readonly record struct Step(string Option, object Value, Action<Socket> Set, bool IsDefault = false);
}

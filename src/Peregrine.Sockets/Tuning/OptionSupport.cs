using System.Net;
using System.Net.Sockets;

namespace Peregrine.Sockets.Tuning;

/// <summary>Says which options an address or the platform does not have: one that was set must not be passed over.</summary>
internal static class OptionSupport
{
    /// <param name="options">In their ranges.</param>
    /// <param name="address">Where to listen or connect.</param>
    /// <param name="isListening">Whether the options that only listeners have are looked at.</param>
    /// <param name="isLinux">A parameter for tests.</param>
    /// <exception cref="SocketOptionException">An option cannot be had.</exception>
    public static void Check(SocketOptions options, EndPoint address, bool isListening, bool isLinux)
    {
        if (address is UnixDomainSocketEndPoint)
        {
            CheckUnix(options, address, isListening);
        }
        else if (!isLinux)
        {
            CheckOtherSystem(options, isListening);
        }

        if (isListening && options.IPv6Only && address is IPEndPoint ip && (ip.AddressFamily == AddressFamily.InterNetwork || ip.Address.IsIPv4MappedToIPv6))
        {
            throw new SocketOptionException("Socket.IPv6Only", true, $"{address} is an IPv4 address; use an IPv6 address, [::] or *, or remove the option");
        }
    }

    /// <summary>Several listeners share one port, which takes SO_REUSEPORT.</summary>
    /// <exception cref="SocketOptionException">The address or the platform has only one.</exception>
    public static void CheckListeners(int listeners, EndPoint address, bool isLinux)
    {
        if (listeners == 1)
        {
            return;
        }

        if (address is UnixDomainSocketEndPoint)
        {
            throw new SocketOptionException(nameof(SocketTransportOptions.Listeners), listeners, "a Unix domain socket has one listener; remove the option");
        }

        if (!isLinux)
        {
            throw new SocketOptionException(nameof(SocketTransportOptions.Listeners), listeners, "several listeners of one port are spread on Linux only; remove the option");
        }
    }

    /// <summary>What is decided when a socket is bound, and what would stay with those that hold it too.</summary>
    /// <exception cref="SocketOptionException">An option is one of these.</exception>
    public static void CheckInherited(SocketOptions options)
    {
        (string Option, object? Value, bool IsSet)[] decided =
        [
            Of(nameof(options.Linger), options.Linger),
            Of(nameof(options.Device), options.Device),
            (nameof(options.IPv6Only), true, options.IPv6Only),
            (nameof(options.FastOpenQueueLength), options.FastOpenQueueLength, options.FastOpenQueueLength > 0),
        ];
        foreach (var (option, value, isSet) in decided)
        {
            if (isSet)
            {
                throw new SocketOptionException(
                    $"Socket.{option}", value!, "for an inherited listener it is set by whoever opens the socket; remove the option here");
            }
        }
    }

    /// <summary>What a refusal by the kernel means, as the end of a sentence.</summary>
    public static string Explain(string option, SocketException exception) => exception.SocketErrorCode switch
    {
        SocketError.AccessDenied => "the process may not set it; give it the capability that the option takes (CAP_NET_RAW, CAP_NET_ADMIN), or remove the option",
        SocketError.ProtocolOption or SocketError.OperationNotSupported => "the kernel does not have it; remove the option",

        // ENODEV, for which the runtime has no name.
        SocketError.SocketError when option == "Socket.Device" => "this machine has no such network interface; use one that \"ip link\" lists",
        _ => $"the system refuses it ({exception.Message})",
    };

    private static void CheckUnix(SocketOptions options, EndPoint address, bool isListening)
    {
        foreach (var (option, value, isSet) in Tcp(options, isListening).Concat(LinuxOnly(options, isListening)))
        {
            if (isSet)
            {
                throw new SocketOptionException(
                    $"Socket.{option}", value!, $"a Unix domain socket ({address}) does not have it; remove the option, or listen on a TCP address");
            }
        }
    }

    private static void CheckOtherSystem(SocketOptions options, bool isListening)
    {
        foreach (var (option, value, isSet) in LinuxOnly(options, isListening))
        {
            if (isSet)
            {
                throw new SocketOptionException($"Socket.{option}", value!, "it can be set on Linux only; remove the option");
            }
        }
    }

    private static IEnumerable<(string Option, object? Value, bool IsSet)> Tcp(SocketOptions options, bool isListening) =>
    [
        (nameof(options.NoDelay), options.NoDelay, !options.NoDelay),
        Of("KeepAlive.Time", options.KeepAlive.Time),
        Of("KeepAlive.Interval", options.KeepAlive.Interval),
        Of("KeepAlive.Count", options.KeepAlive.Count),
        Of(nameof(options.ReceiveBufferSizeInBytes), options.ReceiveBufferSizeInBytes),
        Of(nameof(options.Linger), options.Linger),
        (nameof(options.IPv6Only), true, isListening && options.IPv6Only),
    ];

    private static IEnumerable<(string Option, object? Value, bool IsSet)> LinuxOnly(SocketOptions options, bool isListening) =>
    [
        Of(nameof(options.UserTimeout), options.UserTimeout),
        Of(nameof(options.UnsentLowWatermarkInBytes), options.UnsentLowWatermarkInBytes),
        Of(nameof(options.Dscp), options.Dscp),
        Of(nameof(options.Device), options.Device),
        (nameof(options.FastOpenQueueLength), options.FastOpenQueueLength, isListening && options.FastOpenQueueLength > 0),
    ];

    private static (string Option, object? Value, bool IsSet) Of(string option, object? value) => (option, value, value is not null);
}

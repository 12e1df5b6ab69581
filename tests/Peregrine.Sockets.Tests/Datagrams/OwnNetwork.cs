using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Peregrine.Sockets.Tests.Datagrams;

/// <summary>
/// A network of a test's own (network_namespaces(7)): a loopback interface that takes small packets. It is that of a thread, and of the sockets that are made there, which
/// can be used anywhere; it is gone with the last of them.
/// </summary>
internal static partial class OwnNetwork
{
    private const int NewNetwork = 0x40000000; // CLONE_NEWNET (unshare(2))
    private const int SetMtu = 0x8922; // SIOCSIFMTU (netdevice(7))
    private const int SetFlags = 0x8914; // SIOCSIFFLAGS
    private const byte Up = 1; // IFF_UP
    private const int RequestLength = 40; // struct ifreq
    private const int ValueOffset = 16;

    /// <summary>The largest packet.</summary>
    public const int Mtu = 1500;

    /// <summary>Null if there can be one here, or what is in the way.</summary>
    public static string? Problem { get; } = FindProblem();

    /// <param name="make">Makes the sockets, without going on elsewhere.</param>
    public static Task<T> RunAsync<T>(Func<T> make)
    {
        var made = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                Enter();
                made.SetResult(make());
            }
            catch (Exception exception)
            {
                made.SetException(exception);
            }
        })
        { IsBackground = true }.Start();
        return made.Task;
    }

    private static void Enter()
    {
        Check(Unshare(NewNetwork), "unshare");
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        Request(socket, SetMtu, BitConverter.GetBytes(Mtu));
        Request(socket, SetFlags, [Up, 0]);
    }

    private static void Request(Socket socket, nuint request, ReadOnlySpan<byte> value)
    {
        Span<byte> bytes = stackalloc byte[RequestLength];
        bytes.Clear();
        "lo"u8.CopyTo(bytes);
        value.CopyTo(bytes[ValueOffset..]);
        Check(Control((int)socket.SafeHandle.DangerousGetHandle(), request, ref MemoryMarshal.GetReference(bytes)), "ioctl");
    }

    private static void Check(int result, string call)
    {
        if (result != 0)
        {
            throw new InvalidOperationException($"{call}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        }
    }

    /// <summary>By trying: root need not be enough, in a container for example.</summary>
    private static string? FindProblem()
    {
        if (!OperatingSystem.IsLinux())
        {
            return "Linux only.";
        }

        try
        {
            return RunAsync(() => (string?)null).GetAwaiter().GetResult();
        }
        catch (Exception exception)
        {
            return $"A network namespace cannot be made here: {exception.Message}";
        }
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    private static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(int descriptor, nuint request, ref byte argument);
}

/// <summary>Tests that need a network of their own.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OwnNetworkTheoryAttribute : TheoryAttribute
{
    public OwnNetworkTheoryAttribute() => Skip = OwnNetwork.Problem;
}

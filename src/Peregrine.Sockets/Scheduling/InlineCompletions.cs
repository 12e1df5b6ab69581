using System.Net.Sockets;

namespace Peregrine.Sockets.Scheduling;

/// <summary>
/// The runtime's inline completions: socket events are handled on the epoll threads themselves, one thread for each core. The runtime reads
/// the variable when its socket engine is first used, for the whole process and for good.
/// </summary>
internal static class InlineCompletions
{
    public const string Variable = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";

    private static readonly TimeSpan ProbeLimit = TimeSpan.FromSeconds(5);
    private static readonly Lazy<bool> Enabled = new(Enable);

    /// <summary>Sets inline completions up, the first time. False if it is too late for that, or the platform has none.</summary>
    public static bool TryEnable() => Enabled.Value;

    private static bool Enable()
    {
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        var before = Environment.GetEnvironmentVariable(Variable);
        Environment.SetEnvironmentVariable(Variable, "1");
        try
        {
            return CompletesInline();
        }
        catch (SocketException)
        {
            return false;
        }
        finally
        {
            // The engine has read it; child processes must not inherit it.
            Environment.SetEnvironmentVariable(Variable, before);
        }
    }

    /// <summary>Nothing tells whether the engine had been used before: only where a completion runs.</summary>
    private static bool CompletesInline()
    {
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint("\0peregrine-" + Guid.NewGuid().ToString("N")));
        listener.Listen(1);
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        client.Connect(listener.LocalEndPoint!);
        using var server = listener.Accept();

        using var completed = new ManualResetEventSlim();
        var isPoolThread = true;
        using var receive = new SocketAsyncEventArgs(true);
        receive.SetBuffer(new byte[1]);
        receive.Completed += (_, _) =>
        {
            isPoolThread = Thread.CurrentThread.IsThreadPoolThread;
            completed.Set();
        };
        if (!server.ReceiveAsync(receive))
        {
            return false;
        }

        client.Send([1]);
        return completed.Wait(ProbeLimit) && !isPoolThread;
    }
}

using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Peregrine.IntegrationTests.Processes;
using Xunit.Abstractions;

namespace Peregrine.IntegrationTests.Ends;

/// <summary>Servers, as processes of their own, on a listening socket that outlives them.</summary>
public sealed partial class InheritedListenerTests(ITestOutputHelper output)
{
    private static readonly byte[] s_message = new byte[100_000];

    [LinuxFact]
    public async Task Twenty_servers_that_follow_one_another_on_one_socket_reset_nobody()
    {
        const int Restarts = 20;
        using var held = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        held.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        held.Listen(1000);
        var passed = Control((int)held.SafeHandle.DangerousGetHandle(), Duplicate, 3);
        using var over = new CancellationTokenSource();
        var clients = Enumerable.Range(0, 4).Select(_ => Task.Run(() => ExchangeAsync(held.LocalEndPoint!, over.Token))).ToList();
        var lingering = 0;
        try
        {
            for (var restart = 0; restart < Restarts; restart++)
            {
                var (server, _) = await ServerProcess.StartListeningAsync("Echo", $"--Peregrine:Endpoints:echo:Url=fd://{passed}");
                await using var disposed = server;
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
                server.Signal(ServerProcess.SigTerm);
                Assert.Equal(0, await server.WaitForExitAsync());
                lingering += held.LingerState!.Enabled ? 1 : 0;
            }

            await over.CancelAsync();

            // Those that wait in the queue are the last server's.
            var (last, _) = await ServerProcess.StartListeningAsync("Echo", $"--Peregrine:Endpoints:echo:Url=fd://{passed}");
            await using var stopped = last;
            var counts = (await Task.WhenAll(clients).WaitAsync(RealServer.Limit)).Aggregate((a, b) => a + b);
            output.WriteLine(
                $"{Restarts} restarts: {counts.Whole} messages whole, {counts.Ended} ended by the stop, {counts.Reset} resets, {counts.Refused} refused; a linger time was left {lingering} times");
            Assert.Equal((0, 0, 0), (counts.Reset, counts.Refused, lingering));
            Assert.True(counts.Whole > Restarts);
        }
        finally
        {
            Assert.Equal(0, Close(passed));
        }
    }

    [RequiresProgramFact("systemd-socket-activate")]
    public async Task Systemd_passes_the_socket_and_is_told_of_the_start_the_watchdog_and_the_stop()
    {
        var folder = Directory.CreateTempSubdirectory("peregrine-");
        try
        {
            using var notified = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            var path = Path.Combine(folder.FullName, "notify");
            notified.Bind(new UnixDomainSocketEndPoint(path));
            var address = new IPEndPoint(IPAddress.Loopback, FreePorts.Take(IPAddress.Loopback));

            // Whether a service is one of systemd's is told by the name of its parent, here of a shell that passes the signal on.
            var parent = File.CreateSymbolicLink(Path.Combine(folder.FullName, "systemd"), "/bin/sh").FullName;
            await using var server = ServerProcess.Start(
                "Echo",
                ["--Peregrine:Endpoints:echo:Url=systemd://echo"],
                parent, "-c", "\"$@\" & trap 'kill -TERM $!' TERM; while kill -0 $! 2>/dev/null; do wait $!; code=$?; done; exit $code", parent,
                "systemd-socket-activate", $"--listen={address}", "--fdname=echo", $"--setenv=NOTIFY_SOCKET={path}", "--setenv=WATCHDOG_USEC=200000",
                $"--setenv=DOTNET_ROOT={Environment.GetEnvironmentVariable("DOTNET_ROOT")}");
            using var client = await ConnectWhenListeningAsync(address);
            await client.SendAsync("hello"u8.ToArray());
            await client.ReceiveExactlyAsync(new byte[5], 5);
            Assert.Equal(address, await server.WhenListening);
            await ReceiveUntilAsync(notified, "READY=1");
            await ReceiveUntilAsync(notified, "WATCHDOG=1");
            server.Signal(ServerProcess.SigTerm);
            await ReceiveUntilAsync(notified, "STOPPING=1");
            Assert.Equal(0, await client.ReceiveAsync(new byte[1]));
            client.Dispose();
            Assert.Equal(0, await server.WaitForExitAsync());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<Counts> ExchangeAsync(EndPoint address, CancellationToken over)
    {
        var counts = default(Counts);
        var buffer = new byte[64 * 1024];
        while (!over.IsCancellationRequested)
        {
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await client.ConnectAsync(address, CancellationToken.None);
            }
            catch (SocketException)
            {
                counts.Refused++;
                continue;
            }

            try
            {
                await client.SendAsync(s_message.AsMemory(0, 1), CancellationToken.None);
                if (await client.ReceiveAsync(buffer, CancellationToken.None) == 0)
                {
                    counts.Ended++;
                    continue;
                }

                // Echoed as it comes; a stop may end it, but only with a FIN.
                var sending = SendAsync(client);
                var received = await client.ReceiveToEndAsync(buffer);
                await sending;
                counts.Whole += received == s_message.Length ? 1 : 0;
                counts.Ended += received == s_message.Length ? 0 : 1;
            }
            catch (SocketException)
            {
                counts.Reset++;
            }
        }

        return counts;
    }

    private static async Task SendAsync(Socket client)
    {
        await client.SendAsync(s_message);
        client.Shutdown(SocketShutdown.Send);
    }

    private static async Task<Socket> ConnectWhenListeningAsync(IPEndPoint address)
    {
        using var limit = new CancellationTokenSource(RealServer.Limit);
        while (true)
        {
            var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await client.ConnectAsync(address, limit.Token);
                return client;
            }
            catch (SocketException)
            {
                client.Dispose();
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, limit.Token);
            }
        }
    }

    private static async Task ReceiveUntilAsync(Socket notified, string expected)
    {
        using var limit = new CancellationTokenSource(RealServer.Limit);
        var buffer = new byte[256];
        string message;
        do
        {
            message = Encoding.UTF8.GetString(buffer, 0, await notified.ReceiveAsync(buffer, limit.Token));
        }
        while (message != expected);
    }

    // fcntl(2): a descriptor that programs inherit which are started.
    private const int Duplicate = 0; // F_DUPFD

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command, int argument);

    // close(2)
    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    private record struct Counts(int Whole, int Ended, int Reset, int Refused)
    {
        public static Counts operator +(Counts a, Counts b) => new(a.Whole + b.Whole, a.Ended + b.Ended, a.Reset + b.Reset, a.Refused + b.Refused);
    }
}

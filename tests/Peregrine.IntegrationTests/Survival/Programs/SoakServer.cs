using System.Buffers;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Peregrine.Server;
using Peregrine.Sockets;

namespace Peregrine.IntegrationTests.Survival.Programs;

/// <summary>An echo server whose clients tell it, by their first byte, to fail.</summary>
internal static class SoakServer
{
    public const string Name = "soak-server";
    public const byte Echo = (byte)'E';
    public const byte Throw = (byte)'T';
    public const byte AbortConnection = (byte)'A';
    public const byte Return = (byte)'R';
    public const byte Block = (byte)'B';

    /// <summary>Answers with the bytes that are rented of the pool, the connections that are open, and the bytes of the heap that are in use.</summary>
    public const byte Ask = (byte)'?';

    /// <summary>
    /// Takes every descriptor that is left, and answers when a file can be opened and a thread started all the same: when the reserve was given up.
    /// </summary>
    public const byte Exhaust = (byte)'X';

    /// <summary>Gives them back.</summary>
    public const byte Release = (byte)'Y';

    private const int PoolThreads = 8;

    private static readonly List<SafeFileHandle> s_taken = [];

    public static async Task<int> RunAsync()
    {
        ThreadPool.SetMinThreads(PoolThreads + 2, 2);
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders().AddSimpleConsole(console => console.SingleLine = true)
            .AddFilter((_, level) => level == LogLevel.Information || level >= LogLevel.Critical);
        builder.Services.AddPeregrine(server => server
            .Listen("soak", "tcp://127.0.0.1:0", tcp =>
            {
                var running = tcp.ApplicationServices.GetRequiredService<PeregrineServer>();
                tcp.Run(connection => HandleAsync(connection, running));
            })
            .Configure(options => options.Limits.ExemptNetworks.Add(System.Net.IPNetwork.Parse("127.0.0.0/8"))));
        await builder.Build().RunAsync();
        return Environment.ExitCode;
    }

    private static byte TakeAll()
    {
        // The pool has its threads before: one that starts before an accept has found that descriptors are short ends the process.
        using var all = new Barrier(PoolThreads);
        Task.WaitAll([.. Enumerable.Range(0, PoolThreads).Select(_ => Task.Factory.StartNew(
            () => all.SignalAndWait(TimeSpan.FromSeconds(10)), CancellationToken.None, TaskCreationOptions.None, TaskScheduler.Default))]);
        while (TryOpen() is { } file)
        {
            s_taken.Add(file);
        }

        return 1;
    }

    private static async Task<byte> WaitForReserveAsync()
    {
        while (true)
        {
            using (var file = TryOpen())
            {
                if (file is not null)
                {
                    var thread = new Thread(static () => { });
                    thread.Start();
                    thread.Join();
                    return 2;
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }
    }

    private static SafeFileHandle? TryOpen()
    {
        try
        {
            return File.OpenHandle("/dev/null");
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static async Task HandleAsync(ConnectionContext connection, PeregrineServer server)
    {
        var (input, output) = (connection.Transport.Input, connection.Transport.Output);
        var isFirst = true;
        while (true)
        {
            var read = await input.ReadAsync();
            if (isFirst && !read.Buffer.IsEmpty)
            {
                isFirst = false;
                switch (read.Buffer.FirstSpan[0])
                {
                    case Throw:
                        throw new InvalidOperationException("As I was told.");
                    case AbortConnection:
                        connection.Abort();
                        break;
                    case Return:
                        return;
                    case Block:
                        new ManualResetEventSlim().Wait(TimeSpan.FromMilliseconds(20));
                        break;
                    case Exhaust:
                        await output.WriteAsync(new[] { TakeAll() });
                        await output.WriteAsync(new[] { await WaitForReserveAsync() });
                        break; // It keeps its own descriptor.
                    case Release:
                        s_taken.ForEach(static file => file.Dispose());
                        break;
                    case Ask:
                        await output.WriteAsync(Encoding.ASCII.GetBytes($"{PinnedMemoryPool.Shared.RentedBytes} {server.Endpoints[0].Connections} {GC.GetTotalMemory(forceFullCollection: true)}"));
                        return;
                }
            }

            foreach (var segment in read.Buffer)
            {
                output.Write(segment.Span);
            }

            input.AdvanceTo(read.Buffer.End);
            var flushed = await output.FlushAsync();
            if (read.IsCompleted || flushed.IsCompleted)
            {
                return;
            }
        }
    }
}

using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Peregrine.Protocols;

namespace Peregrine.IntegrationTests.Survival.Programs;

/// <summary>Broadcasts while the application blocks every thread of the pool, and prints how much work stands in the pool's queue, and then what is unsent.</summary>
internal static class StarvedPool
{
    public const string Name = "starved-pool";
    public const int Broadcasts = 10_000;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    public static async Task<int> RunAsync()
    {
        using var gate = new ManualResetEventSlim();
        using var blocked = new CountdownEvent(Environment.ProcessorCount);
        ThreadPool.SetMaxThreads(Environment.ProcessorCount, Environment.ProcessorCount);
        for (var i = 0; i < Environment.ProcessorCount; i++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(
                _ =>
                {
                    blocked.Signal();
                    gate.Wait(Limit);
                },
                null);
        }

        if (!blocked.Wait(Limit))
        {
            return 1;
        }

        var registry = new ConnectionRegistry();
        var writer = new MessageWriter(PipeWriter.Create(Stream.Null));
        var format = new LengthFieldWriter();
        var message = new ReadOnlySequence<byte>([1]);
        using var registered = registry.Register(new DefaultConnectionContext("receiver"), writer);
        for (var i = 0; i < Broadcasts; i++)
        {
            var broadcast = registry.All.BroadcastAsync(message, format);
            var written = writer.WriteAsync(message, format);
            if (!broadcast.IsCompletedSuccessfully || !written.IsCompletedSuccessfully)
            {
                return 2;
            }
        }

        Console.WriteLine(ThreadPool.PendingWorkItemCount);
        gate.Set();
        await writer.EndAsync();
        Console.WriteLine(writer.PendingBytes);
        return 0;
    }
}

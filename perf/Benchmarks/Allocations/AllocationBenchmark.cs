using System.Reflection;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Running;

namespace Peregrine.Benchmarks.Allocations;

/// <summary>
/// A benchmark with its parameters, run to count what it allocates. It runs here and not in BenchmarkDotNet's engine, which builds and starts
/// a process for each and measures its time first: minutes, for the same counter of all threads.
/// </summary>
internal sealed class AllocationBenchmark(BenchmarkCase benchmark)
{
    // Long enough, as a rule, for the compiler's last tier: the earlier ones allocate where it does not. Further rounds are for when it is not.
    private static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan Round = TimeSpan.FromMilliseconds(100);
    private const int MostRounds = 20;

    public string Name { get; } = FullNameProvider.GetBenchmarkName(benchmark);

    /// <summary>
    /// Bytes per operation in the best of some rounds: what an operation allocates is in every round, what the process does in the
    /// background is not.
    /// </summary>
    /// <param name="enough">No further rounds when one is as low as this.</param>
    public async Task<double> MeasureAsync(double enough)
    {
        var descriptor = benchmark.Descriptor;
        var instance = Activator.CreateInstance(descriptor.Type)!;
        foreach (var parameter in benchmark.Parameters.Items)
        {
            descriptor.Type.GetProperty(parameter.Name)!.SetValue(instance, parameter.Value);
        }

        await Bind(instance, descriptor.GlobalSetupMethod)();
        try
        {
            var workload = Bind(instance, descriptor.WorkloadMethod);
            await RunAsync(workload, WarmUp);
            var lowest = double.MaxValue;
            for (var round = 0; round < MostRounds && lowest > enough; round++)
            {
                var before = GC.GetTotalAllocatedBytes(precise: true);
                var calls = await RunAsync(workload, Round);
                var bytes = GC.GetTotalAllocatedBytes(precise: true) - before;
                lowest = Math.Min(lowest, bytes / ((double)calls * descriptor.OperationsPerInvoke));
            }

            return lowest;
        }
        finally
        {
            await Bind(instance, descriptor.GlobalCleanupMethod)();
        }
    }

    private static async Task<long> RunAsync(Func<Task> workload, TimeSpan time)
    {
        var started = TimeProvider.System.GetTimestamp();
        var calls = 0L;
        do
        {
            await workload();
            calls++;
        }
        while (TimeProvider.System.GetElapsedTime(started) < time);
        return calls;
    }

    // Delegates, because a call by reflection allocates.
    private static Func<Task> Bind(object instance, MethodInfo? method)
    {
        if (method is null)
        {
            return () => Task.CompletedTask;
        }

        if (method.ReturnType == typeof(Task))
        {
            return method.CreateDelegate<Func<Task>>(instance);
        }

        if (method.ReturnType != typeof(void))
        {
            throw new NotSupportedException($"{method.Name} returns {method.ReturnType.Name}; a benchmark returns nothing or a Task.");
        }

        var action = method.CreateDelegate<Action>(instance);
        return () =>
        {
            action();
            return Task.CompletedTask;
        };
    }
}

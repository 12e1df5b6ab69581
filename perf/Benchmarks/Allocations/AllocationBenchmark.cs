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

    // On a busy machine a round may have time for a few operations only: what happens once in 64 of them (a burst) must be in every round.
    private const int FewestOperations = 256;

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
            await RunAsync(workload, WarmUp, descriptor.OperationsPerInvoke);
            var lowest = double.MaxValue;
            for (var round = 0; round < MostRounds && lowest > enough; round++)
            {
                lowest = Math.Min(lowest, await RunAsync(workload, Round, descriptor.OperationsPerInvoke));
            }

            return lowest;
        }
        finally
        {
            await Bind(instance, descriptor.GlobalCleanupMethod)();
        }
    }

    /// <returns>
    /// Bytes per operation. They are counted in here: the task of this method is 72 bytes, as much as a whole byte for each of few operations.
    /// </returns>
    private static async Task<double> RunAsync(Func<Task> workload, TimeSpan time, int operationsPerCall)
    {
        var started = TimeProvider.System.GetTimestamp();
        var before = GC.GetTotalAllocatedBytes(precise: true);
        var operations = 0L;
        do
        {
            await workload();
            operations += operationsPerCall;
        }
        while (TimeProvider.System.GetElapsedTime(started) < time || operations < FewestOperations);
        return (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)operations;
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

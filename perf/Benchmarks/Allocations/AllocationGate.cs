using System.Reflection;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Running;

namespace Peregrine.Benchmarks.Allocations;

/// <summary>Compares what each benchmark allocates with the committed baseline, or writes a new one.</summary>
internal static class AllocationGate
{
    // A benchmark that hangs is named, instead of the whole being killed without a word.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(Assembly assembly, bool update)
    {
        AllocationBaseline baseline;
        try
        {
            baseline = AllocationBaseline.Load();
        }
        catch (InvalidDataException exception)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }

        return update ? await UpdateAsync(assembly, baseline) : await CheckAsync(assembly, baseline);
    }

    private static async Task<int> CheckAsync(Assembly assembly, AllocationBaseline baseline)
    {
        var (passed, failed) = (0, 0);
        var stale = baseline.Bytes.Keys.ToHashSet();
        foreach (var benchmark in Find(assembly))
        {
            stale.Remove(benchmark.Name);
            Count(benchmark.Name, await FailureAsync(benchmark, baseline));
        }

        foreach (var name in stale)
        {
            Count(name, "is in the baseline, and there is no such benchmark.");
        }

        // .ci/run reads this line.
        Console.WriteLine($"Allocations: {passed} passed, {failed} failed");
        return failed == 0 ? 0 : 1;

        void Count(string name, string? failure)
        {
            if (failure is null)
            {
                passed++;
                return;
            }

            failed++;
            Console.WriteLine($"FAILED {name} {failure} To accept: dotnet run -c Release --project perf/Benchmarks -- --update-allocations");
        }
    }

    /// <summary>Null if the benchmark allocates no more than it may.</summary>
    private static async Task<string?> FailureAsync(AllocationBenchmark benchmark, AllocationBaseline baseline)
    {
        if (!baseline.Bytes.TryGetValue(benchmark.Name, out var expected))
        {
            return "is not in the baseline.";
        }

        var allowed = AllocationBaseline.Allowed(expected);
        try
        {
            var bytes = await MeasureAsync(benchmark, enough: allowed);
            if (bytes > allowed)
            {
                return $"allocates {bytes:0.##} bytes per operation; {allowed:0.##} are allowed.";
            }

            Console.WriteLine($"{benchmark.Name}: {bytes:0.##} bytes, allowed {allowed:0.##}");
            return null;
        }
        catch (Exception exception)
        {
            return $"does not run: {exception.Message}";
        }
    }

    private static async Task<int> UpdateAsync(Assembly assembly, AllocationBaseline baseline)
    {
        var measured = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var benchmark in Find(assembly))
        {
            try
            {
                measured[benchmark.Name] = (long)Math.Round(await MeasureAsync(benchmark, enough: 0));
            }
            catch (Exception exception)
            {
                Console.Error.WriteLine($"{benchmark.Name} does not run, and the baseline stays as it is: {exception.Message}");
                return 1;
            }

            var before = baseline.Bytes.TryGetValue(benchmark.Name, out var bytes) ? $"{bytes}" : "new";
            Console.WriteLine($"{benchmark.Name}: {measured[benchmark.Name]} bytes, before {before}");
        }

        baseline.Save(measured);
        return 0;
    }

    // On a thread of the pool, so that one that blocks can be given up.
    private static Task<double> MeasureAsync(AllocationBenchmark benchmark, double enough) =>
        Task.Run(() => benchmark.MeasureAsync(enough)).WaitAsync(Limit, TimeProvider.System);

    /// <summary>All but the rivals: what the runtime allocates is not ours to keep.</summary>
    private static IEnumerable<AllocationBenchmark> Find(Assembly assembly) =>
        from type in assembly.GetTypes()
        where type.GetMethods().Any(method => method.IsDefined(typeof(BenchmarkAttribute)))
        orderby type.FullName
        from benchmark in BenchmarkConverter.TypeToBenchmarks(type).BenchmarksCases
        where !benchmark.Descriptor.Baseline
        select new AllocationBenchmark(benchmark);
}

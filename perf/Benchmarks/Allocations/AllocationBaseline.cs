using System.Text.Json;

namespace Peregrine.Benchmarks.Allocations;

/// <summary>The committed file: the name of a benchmark, as BenchmarkDotNet's --filter takes it, and its bytes per operation.</summary>
internal sealed class AllocationBaseline
{
    private const string FileName = "allocations.json";
    private static readonly JsonSerializerOptions Format = new() { WriteIndented = true };

    private readonly string _path;

    private AllocationBaseline(string path, IReadOnlyDictionary<string, long> bytes) => (_path, Bytes) = (path, bytes);

    public IReadOnlyDictionary<string, long> Bytes { get; }

    /// <summary>
    /// Zero stays zero: one byte is what the process does in the background. A larger number varies with how often an operation waits, by
    /// 8 bytes or one in a hundred; both are less than the smallest object, 24 bytes, up to a number of 2,400.
    /// </summary>
    public static double Allowed(long expected) => expected + (expected == 0 ? 1 : Math.Max(8, expected * 0.01));

    /// <exception cref="InvalidDataException">The file's place or its content is not as it should be. The message is one line.</exception>
    public static AllocationBaseline Load()
    {
        var path = Locate();
        if (!File.Exists(path))
        {
            return new AllocationBaseline(path, new Dictionary<string, long>());
        }

        try
        {
            using var file = File.OpenRead(path);
            return new AllocationBaseline(path, JsonSerializer.Deserialize<Dictionary<string, long>>(file) ?? []);
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path} is not a JSON object of whole numbers: {exception.Message}", exception);
        }
    }

    public void Save(SortedDictionary<string, long> bytes) => File.WriteAllText(_path, JsonSerializer.Serialize(bytes, Format) + "\n");

    // Beside the sources, not a copy beside the program: the file that is updated is the one that is committed.
    private static string Locate()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Benchmarks.csproj")))
            {
                return Path.Combine(folder, FileName);
            }
        }

        throw new InvalidDataException($"{FileName} is beside Benchmarks.csproj, which is not above {AppContext.BaseDirectory}.");
    }
}

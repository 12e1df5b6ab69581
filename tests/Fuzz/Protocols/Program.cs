using Peregrine.Fuzz.Protocols;
using SharpFuzz;

// With a reader's name for afl-fuzz, which starts it and gives it inputs; see README.md beside it.
if (args is not [.., var name] || !ReaderTargets.All.TryGetValue(name, out var target))
{
    Console.Error.WriteLine($"Takes [--libfuzzer | --run <folder> | --seeds <folder>] <reader>, where a reader is one of {string.Join(", ", ReaderTargets.All.Keys)}.");
    return 2;
}

switch (args)
{
    case ["--libfuzzer", _]:
        Fuzzer.LibFuzzer.Run(target.Run);
        return 0;
    case ["--run", var folder, _]:
        foreach (var file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            Console.WriteLine(Path.GetFileName(file));
            target.Run(File.ReadAllBytes(file));
        }

        return 0;
    case ["--seeds", var folder, _]:
        Directory.CreateDirectory(folder);
        foreach (var (number, sample) in target.Samples.Index())
        {
            File.WriteAllBytes(Path.Combine(folder, $"{name}-{number}"), sample);
        }

        return 0;
    case [_]:
        Fuzzer.OutOfProcess.Run(stream =>
        {
            using var input = new MemoryStream();
            stream.CopyTo(input);
            target.Run(input.GetBuffer().AsSpan(0, (int)input.Length));
        });
        return 0;
    default:
        Console.Error.WriteLine($"{args[0]} is not known.");
        return 2;
}

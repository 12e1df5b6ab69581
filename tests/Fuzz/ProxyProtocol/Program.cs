using Peregrine.Fuzz.ProxyProtocol;
using SharpFuzz;

// By default for afl-fuzz, which starts it and gives it inputs; see README.md beside it.
switch (args)
{
    case ["--libfuzzer"]:
        Fuzzer.LibFuzzer.Run(HeaderTarget.Run);
        return 0;
    case ["--run", var folder]:
        foreach (var file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            Console.WriteLine(Path.GetFileName(file));
            HeaderTarget.Run(File.ReadAllBytes(file));
        }

        return 0;
    case []:
        Fuzzer.OutOfProcess.Run(stream =>
        {
            using var input = new MemoryStream();
            stream.CopyTo(input);
            HeaderTarget.Run(input.GetBuffer().AsSpan(0, (int)input.Length));
        });
        return 0;
    default:
        Console.Error.WriteLine("Takes nothing, for afl-fuzz; --libfuzzer, for libfuzzer-dotnet; or --run with a folder of inputs.");
        return 2;
}

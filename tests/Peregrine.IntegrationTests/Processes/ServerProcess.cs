using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;

namespace Peregrine.IntegrationTests.Processes;

/// <summary>A sample as a process of its own, as a user starts it. Disposed, it is gone.</summary>
internal sealed partial class ServerProcess : IAsyncDisposable
{
    public const int SigInt = Signals.Interrupt;
    public const int SigTerm = Signals.Terminate;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _output = new();
    private readonly TaskCompletionSource<IPEndPoint> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<IPEndPoint> _receiving = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ServerProcess(Process process) => _process = process;

    public int Id => _process.Id;

    /// <summary>Where it says that it listens.</summary>
    public Task<IPEndPoint> WhenListening => _listening.Task.WaitAsync(Limit);

    /// <summary>Where it says that it receives datagrams.</summary>
    public Task<IPEndPoint> WhenReceiving => _receiving.Task.WaitAsync(Limit);

    /// <summary>Everything that was printed so far, to standard output and standard error.</summary>
    public string Output => string.Join('\n', _output);

    /// <param name="sample">The sample's assembly name.</param>
    /// <param name="arguments">Its command line.</param>
    /// <param name="wrapper">A command that runs it, or none.</param>
    public static ServerProcess Start(string sample, string[] arguments, params string[] wrapper)
    {
        // Tests run at the same time: its port for datagrams is a free one, too, unless the arguments say otherwise.
        string[] ports = sample == "Echo" ? ["--Peregrine:Endpoints:echo-udp:Url=udp://127.0.0.1:0"] : [];
        string[] command = [.. wrapper, "dotnet", Path.Combine(AppContext.BaseDirectory, sample + ".dll"), .. ports, .. arguments];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,

            // The samples share an output folder: one must not find the settings of another as if they were its own.
            WorkingDirectory = Path.GetTempPath(),
        };
        var server = new ServerProcess(new Process { StartInfo = start, EnableRaisingEvents = true });
        server._process.OutputDataReceived += (_, line) => server.OnLine(line.Data);
        server._process.ErrorDataReceived += (_, line) => server.OnLine(line.Data);
        server._process.Exited += (_, _) => server._listening.TrySetException(
            new InvalidOperationException("The process ended before it listened:\n" + server.Output));
        server._process.Start();
        server._process.BeginOutputReadLine();
        server._process.BeginErrorReadLine();
        return server;
    }

    /// <summary>Starts a sample and waits until it says where it listens.</summary>
    public static Task<(ServerProcess Server, IPEndPoint EndPoint)> StartListeningAsync(string sample, params string[] arguments) =>
        StartListeningAsync(sample, arguments, wrapper: []);

    /// <inheritdoc cref="StartListeningAsync(string, string[])"/>
    public static async Task<(ServerProcess Server, IPEndPoint EndPoint)> StartListeningAsync(string sample, string[] arguments, string[] wrapper)
    {
        var server = Start(sample, arguments, wrapper);
        try
        {
            return (server, await server.WhenListening);
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    public void Signal(int signal) => Signals.Send(_process, signal);

    /// <inheritdoc cref="Signals.PauseAsync"/>
    public Task PauseAsync() => Signals.PauseAsync(_process);

    public void Continue() => Signals.Continue(_process);

    public async Task<int> WaitForExitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Limit);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _ = _listening.Task.Exception; // Observed.
        _process.Dispose();
    }

    private void OnLine(string? line)
    {
        if (line is null)
        {
            return;
        }

        _output.Enqueue(line);
        if (ListeningLine().Match(line) is { Success: true } match)
        {
            var listening = match.Groups[1].Value == "udp" ? _receiving : _listening;
            listening.TrySetResult(IPEndPoint.Parse(match.Groups[2].Value));
        }
    }

    [GeneratedRegex(@"Listening on (tcp|udp)://(\S+:\d+)")]
    private static partial Regex ListeningLine();
}

namespace Peregrine.IntegrationTests.Processes;

/// <summary>A terminal of 100 × 30 characters with a shell in it, by a tmux of its own (tmux(1)). Disposed, it is gone, and what runs in it.</summary>
internal sealed class TmuxTerminal : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    private readonly string _socket = Path.Combine(Path.GetTempPath(), $"peregrine-{Guid.NewGuid():N}.tmux");

    private TmuxTerminal()
    {
    }

    public static async Task<TmuxTerminal> StartAsync()
    {
        var terminal = new TmuxTerminal();

        // -u, since a program that writes UTF-8 is tested, whatever the locale of the test is.
        await terminal.RunAsync("-u -f /dev/null new-session -d -x 100 -y 30 \"env PS1='$ ' ENV= sh\"");
        return terminal;
    }

    /// <summary>Types text as it is.</summary>
    public Task TypeAsync(string text) => RunAsync($"send-keys -l '{text}'");

    /// <summary>Types a line, and Enter.</summary>
    public async Task EnterAsync(string line)
    {
        await TypeAsync(line);
        await RunAsync("send-keys Enter");
    }

    /// <summary>Looks at the screen until it holds; its lines are then returned.</summary>
    public async Task<string[]> UntilAsync(Func<string[], bool> holds)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (true)
        {
            var lines = (await RunAsync("capture-pane -p")).Split('\n');
            if (holds(lines))
            {
                return lines;
            }

            Assert.False(limit.IsCancellationRequested, $"The screen is still:\n{string.Join('\n', lines)}");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }
    }

    /// <summary>Whether it shows the screen and the cursor that it had before a program took the whole of it.</summary>
    public async Task<bool> IsRestoredAsync() => (await RunAsync("display-message -p '#{alternate_on} #{cursor_flag}'")).Trim() == "0 1";

    public async ValueTask DisposeAsync()
    {
        await RunAsync("kill-server");
        File.Delete(_socket);
    }

    private Task<string> RunAsync(string command) => ClientProcess.RunShellAsync($"env -u TMUX tmux -S {_socket} {command}");
}

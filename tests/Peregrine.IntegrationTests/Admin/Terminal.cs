using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Admin;

/// <summary>A terminal in which a program runs, as a tmux server of its own. Disposed, it is gone.</summary>
internal sealed class Terminal : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private static int s_count;

    private readonly string _tmux = $"tmux -L peregrine-{Environment.ProcessId}-{Interlocked.Increment(ref s_count)} -f /dev/null";

    private Terminal()
    {
    }

    public static async Task<Terminal> StartAsync(int width, int height, string command)
    {
        var terminal = new Terminal();
        await ClientProcess.RunShellAsync($"LC_ALL=C.UTF-8 {terminal._tmux} new-session -d -x {width} -y {height} '{command}' >/dev/null 2>&1");
        return terminal;
    }

    public Task PressAsync(string key) => ClientProcess.RunShellAsync($"{_tmux} send-keys '{key}'");

    /// <summary>The screen, as soon as it is as it should be.</summary>
    public async Task<string> UntilAsync(Func<string, bool> condition)
    {
        for (var i = 0; ; i++)
        {
            var screen = await ClientProcess.RunShellAsync($"{_tmux} capture-pane -p");
            if (condition(screen))
            {
                return screen;
            }

            Assert.True(i < 600, $"The screen did not come to it:\n{screen}");
            await Task.Delay(Interval, TimeProvider.System);
        }
    }

    /// <summary>Completes when the program has ended, and its terminal with it.</summary>
    public async Task WhenEndedAsync()
    {
        for (var i = 0; (await ClientProcess.RunShellAsync($"{_tmux} has-session >/dev/null 2>&1 && echo there || echo gone")).Trim() == "there"; i++)
        {
            Assert.True(i < 600, "The program did not end.");
            await Task.Delay(Interval, TimeProvider.System);
        }
    }

    public async ValueTask DisposeAsync() => await ClientProcess.RunShellAsync($"{_tmux} kill-server >/dev/null 2>&1 || true");
}

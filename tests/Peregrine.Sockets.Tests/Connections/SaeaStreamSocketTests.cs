using Peregrine.Sockets.Connections;

namespace Peregrine.Sockets.Tests.Connections;

public sealed class SaeaStreamSocketTests
{
    [Fact]
    public async Task A_completion_on_an_event_loop_of_the_runtime_goes_on_on_the_thread_pool()
    {
        var work = new Work();
        var loop = new Thread(() => SaeaStreamSocket.State.Complete(work));
        loop.Start();
        Assert.True((await work.RanOn.Task.Bounded()).IsThreadPoolThread);
        loop.Join();
    }

    private sealed class Work : IThreadPoolWorkItem
    {
        public TaskCompletionSource<Thread> RanOn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Execute() => RanOn.SetResult(Thread.CurrentThread);
    }
}

using System.IO.Pipelines;

namespace Peregrine.Sockets.Tests.Connections;

/// <summary>A reader that is completed while a completion ends its read: one of them gives everything back.</summary>
public sealed class GuardedPipeReaderTests
{
    [Fact]
    public async Task Completed_and_ended_while_the_read_is_still_inside_it_gives_back_once()
    {
        var reader = new WaitingReader();
        reader.Inside = () =>
        {
            reader.Complete();
            reader.EndByCompletion();
        };
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await reader.ReadAsync());
        Assert.Equal(1, reader.GivenBack);
    }

    [Fact]
    public async Task Completed_while_a_completion_is_at_work_it_gives_back_once()
    {
        var reader = new WaitingReader();
        var read = reader.ReadAsync();
        reader.Working = () => reader.Complete();
        reader.EndByCompletion();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await read);
        Assert.Equal(1, reader.GivenBack);
    }

    [Fact]
    public async Task Completed_while_it_waits_it_gives_back_once()
    {
        var reader = new WaitingReader();
        var read = reader.ReadAsync();
        reader.Complete();
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await read);
        Assert.Equal(1, reader.GivenBack);
    }

    /// <summary>Every read waits, until the test ends it.</summary>
    private sealed class WaitingReader : GuardedPipeReader
    {
        public Action? Inside { get; set; }

        public Action? Working { get; set; }

        public int GivenBack { get; private set; }

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            Enter();
            try
            {
                lock (Gate)
                {
                    BeginWaitLocked(cancellationToken);
                }

                Inside?.Invoke();
                return Wait();
            }
            finally
            {
                Exit();
            }
        }

        public override bool TryRead(out ReadResult result) => throw new NotSupportedException();

        public void EndByCompletion()
        {
            lock (Gate)
            {
                Pending.BeginEnding(byCancel: false);
            }

            Working?.Invoke();
            EndRead(isCanceled: false, exception: null);
        }

        protected override void Advance(SequencePosition consumed, SequencePosition examined)
        {
        }

        protected override ReadResult MakeResult(bool isCanceled) => new(default, isCanceled, isCompleted: false);

        protected override Exception? FailureOf() => null;

        protected override void GiveBack() => GivenBack++;

        protected override void OnLeft()
        {
        }

        protected override void ScheduleEnd() => EndCanceled();
    }
}

using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Middleware.Tests.Tls;

/// <summary>The handler is done while something else of it is at work.</summary>
public sealed class FinishTests
{
    [Theory, InlineData(false), InlineData(true)]
    public async Task A_handler_that_is_done_during_a_read_that_does_not_wait_ends_cleanly(bool isDone)
    {
        var held = new HeldReader();
        var left = new TaskCompletionSource();
        var reading = Task.CompletedTask;
        await using var test = await TlsTest.StartAsync(
            options => options.Certificate.Value = TestCertificates.Localhost,
            async connection =>
            {
                connection.Transport.Input.AdvanceTo((await connection.Transport.Input.ReadAsync()).Buffer.End);
                await connection.Transport.Output.WriteAsync(new byte[1]);
                held.HoldsNext = true;
                reading = Task.Run(async () => await Record.ExceptionAsync(async () => await connection.Transport.Input.ReadAsync()));

                // Whoever sets it runs the end of the connection, up to its first wait.
                await left.Task.ConfigureAwait(false);
            },
            before: builder => builder.Use(next => async connection =>
            {
                held.Inner = connection.Transport.Input;
                connection.Transport = new Duplex(held, connection.Transport.Output);
                await next(connection);
            }));
        var (client, _, running) = await test.ConnectAsync();
        await using var tls = TlsTest.StreamOver(client);
        await tls.AuthenticateAsClientAsync(TlsTest.ClientOptions());
        await tls.WriteAsync(new byte[1]);
        await tls.ReadExactlyAsync(new byte[1]);
        await held.Entered.Task.WaitAsync(TlsTest.Limit, TimeProvider.System);
        if (isDone)
        {
            // There before the read goes on, which then does not wait.
            await tls.WriteAsync(new byte[1]);
        }

        left.SetResult();
        Assert.False(running.IsCompleted);
        held.GoOn.Set();
        Assert.Equal(0, await tls.ReadAsync(new byte[1]).AsTask().WaitAsync(TlsTest.Limit, TimeProvider.System));
        await running.WaitAsync(TlsTest.Limit, TimeProvider.System);
        await reading;
        await client.DisposeAsync();
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    /// <summary>Holds the thread of one read.</summary>
    private sealed class HeldReader : PipeReader
    {
        public PipeReader Inner { get; set; } = null!;

        public volatile bool HoldsNext;

        public TaskCompletionSource Entered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ManualResetEventSlim GoOn { get; } = new();

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            if (HoldsNext)
            {
                HoldsNext = false;
                Entered.SetResult();
                GoOn.Wait(TlsTest.Limit, cancellationToken);
            }

            return Inner.ReadAsync(cancellationToken);
        }

        public override bool TryRead(out ReadResult result) => Inner.TryRead(out result);

        public override void AdvanceTo(SequencePosition consumed) => Inner.AdvanceTo(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => Inner.AdvanceTo(consumed, examined);

        public override void CancelPendingRead() => Inner.CancelPendingRead();

        public override void Complete(Exception? exception = null) => Inner.Complete(exception);
    }
}

using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Peregrine.Protocols.Tests.Registry;

/// <summary>A connection that ends when the test says so, or by its abort.</summary>
internal sealed class TestConnection : ConnectionContext
{
    private static int s_last;
    private readonly CancellationTokenSource _closed = new();
    private readonly TaskCompletionSource<ConnectionAbortedException> _aborted = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TestConnection() => ConnectionClosed = _closed.Token;

    public override string ConnectionId { get; set; } = $"test-{Interlocked.Increment(ref s_last)}";

    public override IFeatureCollection Features { get; } = new FeatureCollection();

    public override IDictionary<object, object?> Items { get; set; } = new Dictionary<object, object?>();

    public override IDuplexPipe Transport { get; set; } = null!;

    /// <summary>When it is aborted.</summary>
    public Task<ConnectionAbortedException> Aborted => _aborted.Task;

    /// <summary>What its abort does after it has told of it.</summary>
    public Exception? AbortFailure { get; init; }

    public void Close() => _closed.Cancel();

    public override void Abort(ConnectionAbortedException abortReason)
    {
        _aborted.SetResult(abortReason);
        if (AbortFailure is not null)
        {
            throw AbortFailure;
        }

        Close();
    }
}

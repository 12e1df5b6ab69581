namespace Peregrine.Server.Tests;

/// <summary>The exceptions of the sockets and the server that nobody looks at, from here to <see cref="Collect"/>.</summary>
internal sealed class UnobservedExceptions : IDisposable
{
    private readonly List<Exception> _exceptions = [];

    public UnobservedExceptions() => TaskScheduler.UnobservedTaskException += OnUnobserved;

    /// <summary>What was left behind by tasks that are garbage by now.</summary>
    public IReadOnlyList<Exception> Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        lock (_exceptions)
        {
            return [.. _exceptions];
        }
    }

    public void Dispose() => TaskScheduler.UnobservedTaskException -= OnUnobserved;

    private void OnUnobserved(object? sender, UnobservedTaskExceptionEventArgs e)
    {
        // Other tests run in this process too.
        var exception = e.Exception.ToString();
        if (exception.Contains("Peregrine.Sockets", StringComparison.Ordinal) || exception.Contains("Peregrine.Server.Connections", StringComparison.Ordinal))
        {
            lock (_exceptions)
            {
                _exceptions.Add(e.Exception);
            }
        }
    }
}

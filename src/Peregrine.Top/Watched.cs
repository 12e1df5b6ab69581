using Peregrine.Server.Admin.Protocol;
using Peregrine.Top.Admin;
using Peregrine.Top.Metrics;
using Peregrine.Top.Processes;

namespace Peregrine.Top;

/// <summary>A process that is watched: its metrics, and its admin socket where there is one.</summary>
internal sealed class Watched : IDisposable
{
    /// <summary>For the first collection of a process that is busy, or on a machine that is.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(15);

    private readonly string? _adminPath;
    private AdminTool? _admin;

    private Watched(DotnetProcess process, MetricsSession metrics, string? adminPath)
    {
        Process = process;
        Metrics = metrics;
        _adminPath = adminPath;
    }

    public DotnetProcess Process { get; }

    public MetricsSession Metrics { get; }

    /// <summary>Attaches, and waits for the first measurements.</summary>
    /// <exception cref="ToolException">There is no such process, it may not be watched, or is not one of Peregrine.</exception>
    public static async Task<Watched> AttachAsync(string? wanted, string? adminPath, TimeSpan interval, CancellationToken cancellationToken)
    {
        var process = DotnetProcess.Choose(wanted);
        var metrics = MetricsSession.Start(process.Id, interval, ServerMeasures.Meter, AdminProtocol.Meter);
        try
        {
            using var time = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            time.CancelAfter(LongestWait + interval);
            await metrics.Collected.WaitAsync(time.Token).ConfigureAwait(false);
            if (metrics.Problem is { } problem)
            {
                throw new ToolException(ExitCodes.Failed, problem);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            metrics.Dispose();
            throw new ToolException(ExitCodes.Failed, $"Process {process.Id} ({process.Name}) does not tell its metrics; is it stopped, or is EventSourceSupport off in it?");
        }
        catch
        {
            metrics.Dispose();
            throw;
        }

        if (!new ServerMeasures(metrics.Values).IsPeregrine)
        {
            metrics.Dispose();
            throw new ToolException(ExitCodes.NotPeregrine, $"Process {process.Id} ({process.Name}) has no server of Peregrine that runs.");
        }

        return new Watched(process, metrics, adminPath);
    }

    /// <summary>What is there now.</summary>
    public async Task<Snapshot> LookAsync(ConnectionSort sort, int skip, int take, CancellationToken cancellationToken)
    {
        var values = Metrics.Values;
        var (server, connections, problem) = await LookThroughAdminAsync(ServerMeasures.AdminSocket(values), sort, skip, take, cancellationToken).ConfigureAwait(false);
        return new Snapshot(Process, new ServerMeasures(values), server, connections, problem);
    }

    public void Dispose()
    {
        _admin?.Dispose();
        Metrics.Dispose();
    }

    private async Task<(AdminServer?, AdminConnections?, string?)> LookThroughAdminAsync(
        string? found, ConnectionSort sort, int skip, int take, CancellationToken cancellationToken)
    {
        if ((_adminPath ?? found) is not { } path)
        {
            return (null, null, null);
        }

        try
        {
            _admin ??= await AdminTool.ConnectAsync(path, cancellationToken).ConfigureAwait(false);
            var server = await _admin.AskAsync(new AdminRequest { Request = AdminProtocol.Server }, cancellationToken).ConfigureAwait(false);
            if (server.Server?.ProcessId != Process.Id)
            {
                throw new ToolException(ExitCodes.Failed, $"The admin socket {path} is that of process {server.Server?.ProcessId}.");
            }

            var request = new AdminRequest { Request = AdminProtocol.Connections, Order = sort.Order, Skip = skip, Take = Math.Max(1, take) };
            var connections = await _admin.AskAsync(request, cancellationToken).ConfigureAwait(false);
            return (server.Server, connections.Connections, null);
        }
        catch (ToolException exception)
        {
            _admin?.Dispose();
            _admin = null; // The next look tries again.
            return (null, null, exception.Message);
        }
    }
}

/// <summary>A process at one moment.</summary>
/// <param name="Process">The process.</param>
/// <param name="Measures">Its metrics.</param>
/// <param name="Server">What its admin socket says; null without one.</param>
/// <param name="Connections">The same of its connections.</param>
/// <param name="AdminProblem">Why the admin socket that there is does not say it.</param>
internal sealed record Snapshot(DotnetProcess Process, ServerMeasures Measures, AdminServer? Server, AdminConnections? Connections, string? AdminProblem);

/// <summary>An order of connections.</summary>
/// <param name="Name">As it is named here.</param>
/// <param name="Order">As the server names it.</param>
internal sealed record ConnectionSort(string Name, string Order)
{
    public static readonly IReadOnlyList<ConnectionSort> All =
    [
        new("bytes", "Bytes"), new("age", "Age"), new("state", "Stage"), new("rtt", "RoundTripTime"), new("buffered", "Buffered"), new("quiet", "Quiet"),
    ];

    public ConnectionSort Next => All[(All.IndexOf(this) + 1) % All.Count];
}

file static class ListExtensions
{
    public static int IndexOf<T>(this IReadOnlyList<T> list, T item) => list.ToList().IndexOf(item);
}

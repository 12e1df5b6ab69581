using Peregrine.Server.Admin.Protocol;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Peregrine.Top.Views;

/// <summary>A process as text: what there is, in as many rows as there are.</summary>
internal static class Screen
{
    private const string Keys = "q quit  s sort  p pause  arrows and page keys scroll  ? help";

    /// <summary>Rows that are not connections: title, lines of sums, headings, keys.</summary>
    private const int FixedRows = 12;

    /// <summary>How many connections fit.</summary>
    public static int RowsFor(int height, int endpoints) => Math.Max(1, height - FixedRows - EndpointRows(height, endpoints));

    public static IRenderable Render(Snapshot snapshot, ViewState view, int height)
    {
        var parts = new List<IRenderable>
        {
            Title(snapshot, view),
            Endpoints(snapshot, EndpointRows(height, snapshot.Measures.Endpoints.Count)),
            Line("Ends", snapshot.Measures.CloseReasons.Select(static ended => $"{ended.Reason} {Amounts.Count(ended.Count)}"), "none since this is attached"),
            Line("Sockets", snapshot.Measures.Sockets.Select(static state => $"{state.State} {Amounts.Count(state.Count)}"), "not told"),
            Line("Memory", Memory(snapshot), "not told"),
        };
        if (snapshot.Measures.Drain is { Count: > 0 } drain)
        {
            parts.Add(Line("Drain", drain.Select(static left => $"{left.Endpoint}: {Amounts.Count(left.Count)} {left.Stage}"), ""));
        }

        if (snapshot.Server?.ChangedSettings is { Count: > 0 } changed)
        {
            parts.Add(Line("Changed", changed.Select(static setting => $"{setting.Key} = {setting.Value}"), ""));
        }

        parts.Add(new Text(""));
        parts.AddRange(Connections(snapshot, view));
        return new Rows(parts);
    }

    public static IRenderable Help() => new Text(
        $"""
        peregrine-top: a live view of a Peregrine server.

        q, Ctrl+C    quit: the process goes on
        s            sort connections by {string.Join(", ", ConnectionSort.All.Select(static sort => sort.Name))}
        up, down     scroll by a connection; page up, page down: by a screen; home: to the first
        p, space     pause
        ?            this page, and back

        Rates are of the last interval; ends are counted since this is attached. To steer the server:
        peregrine-top close ID, suspend ENDPOINT, resume ENDPOINT, set NAME=VALUE
        """);

    public static IRenderable Footer(ViewState view) => new OneRow(view.IsPaused ? "PAUSED  " + Keys : Keys, new Style(decoration: Decoration.Dim));

    private static int EndpointRows(int height, int endpoints) => Math.Clamp(endpoints, 1, Math.Max(1, height / 4));

    private static OneRow Title(Snapshot snapshot, ViewState view)
    {
        var state = snapshot.Server?.State ?? (snapshot.Measures.Drain.Count > 0 ? "Stopping" : "Running");
        return new OneRow($"peregrine-top  {Amounts.Text(snapshot.Process.Name)} ({snapshot.Process.Id})  {Amounts.Text(state)}{(view.IsPaused ? "  PAUSED" : "")}", new Style(decoration: Decoration.Bold));
    }

    private static Table Endpoints(Snapshot snapshot, int rows)
    {
        var table = TableOf("ENDPOINT", "CONNECTIONS", "ACCEPTED", "REJECTED", "RECEIVED", "SENT", "STATE");
        var endpoints = snapshot.Measures.Endpoints;
        foreach (var endpoint in endpoints.Take(endpoints.Count > rows ? rows - 1 : rows))
        {
            AddRow(
                table, Amounts.Text(endpoint.Name, 40), Amounts.Count(endpoint.Connections), Amounts.PerSecond(endpoint.Accepted), Amounts.PerSecond(endpoint.Rejected),
                Amounts.BytesPerSecond(endpoint.Received), Amounts.BytesPerSecond(endpoint.Sent), StateOf(snapshot.Server, endpoint.Name));
        }

        if (endpoints.Count > rows)
        {
            AddRow(table, $"… {endpoints.Count - rows + 1} more");
        }

        return table;
    }

    private static string StateOf(AdminServer? server, string name) =>
        server?.Endpoints.FirstOrDefault(endpoint => endpoint.Name == name) is not { } endpoint ? "-" : endpoint.IsSuspended ? "suspended" : "accepting";

    private static IEnumerable<string> Memory(Snapshot snapshot)
    {
        if (snapshot.Measures.Pool is var (allocated, rented))
        {
            yield return $"pool {Amounts.Bytes(allocated)}, {Amounts.Bytes(rented)} in use";
        }

        if (snapshot.Measures.Heartbeat is { } heartbeat)
        {
            yield return $"heartbeat {Amounts.Time(heartbeat)}";
        }
    }

    private static IEnumerable<IRenderable> Connections(Snapshot snapshot, ViewState view)
    {
        if (snapshot.Connections is not { } connections)
        {
            yield return snapshot.AdminProblem is { } problem
                ? new Text($"Connections cannot be listed: {Amounts.Text(problem, 300)}")
                : new Text("Connections are listed where the server's admin socket is on: start it with --Peregrine:Admin:Socket=PATH, or set this in its configuration.");
            yield break;
        }

        var first = connections.Page.Count == 0 ? 0 : view.Skip + 1;
        yield return new OneRow(
            $"Connections {Amounts.Count(first)}-{Amounts.Count(view.Skip + connections.Page.Count)} of {Amounts.Count(connections.Total)} by {view.Sort.Name}",
            new Style(decoration: Decoration.Bold));
        var table = TableOf("ID", "ENDPOINT", "REMOTE", "STATE", "AGE", "QUIET", "RECEIVED", "SENT", "BUFFERED", "RTT", "TLS");
        foreach (var connection in connections.Page)
        {
            AddRow(
                table, Amounts.Text(connection.Id, 24), Amounts.Text(connection.Endpoint, 20), Amounts.Text(connection.Remote, 45), StateOf(connection),
                Amounts.Time(connection.AgeInSeconds), Amounts.Time(connection.QuietInSeconds), Amounts.Bytes(connection.BytesReceived), Amounts.Bytes(connection.BytesSent),
                Amounts.Bytes(connection.UnreadBytes + connection.UnsentBytes), Amounts.Time(connection.Tcp?.RoundTripTimeInSeconds), connection.Tls is { } tls ? Amounts.Text(tls.Protocol) : "-");
        }

        yield return table;
    }

    private static string StateOf(AdminConnection connection) =>
        Amounts.Text(connection.Stage) + (connection.IsCloseRequested && connection.CloseReason is null ? " (asked to end)" : "");

    private static OneRow Line(string name, IEnumerable<string> values, string none) =>
        new($"{name,-8} {Amounts.Text(string.Join(", ", values.DefaultIfEmpty(none)), 500)}");

    /// <summary>Numbers stand at the right, but for the columns of names.</summary>
    private static Table TableOf(params string[] columns)
    {
        var table = new Table { Border = TableBorder.None };
        foreach (var column in columns)
        {
            var isName = column is "ID" or "ENDPOINT" or "REMOTE" or "STATE" or "TLS";
            table.AddColumn(new TableColumn(new Text(column, new Style(decoration: Decoration.Underline)))
            {
                Alignment = isName ? Justify.Left : Justify.Right, NoWrap = true, Padding = new Padding(0, 0, 2, 0),
            });
        }

        return table;
    }

    private static void AddRow(Table table, params string[] cells) => table.AddRow(cells.Select(static cell => new Text(cell).Ellipsis()));
}

using System.Globalization;
using Peregrine.Server.Admin.Protocol;
using Peregrine.Top.Admin;
using Peregrine.Top.Metrics;
using Peregrine.Top.Processes;
using Peregrine.Top.Views;
using Spectre.Console;

namespace Peregrine.Top;

/// <summary>What the command line asks for. Each prints plain text, but for the live view.</summary>
internal static class Commands
{
    private const int PlainWidth = 200;
    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(1);

    /// <summary>The live view, or one look.</summary>
    public static async Task TopAsync(Target target, TimeSpan interval, ConnectionSort sort, bool isOnce, int rows, CancellationToken cancellationToken)
    {
        if (!isOnce && (Console.IsOutputRedirected || Console.IsInputRedirected))
        {
            throw new ToolException(ExitCodes.Usage, "The live view needs a terminal; for a script, use --once.");
        }

        using var watched = await Watched.AttachAsync(target.Process, target.Admin, interval, cancellationToken).ConfigureAwait(false);
        if (!isOnce)
        {
            await LiveView.RunAsync(watched, sort, interval, cancellationToken).ConfigureAwait(false);
            return;
        }

        // Rates are there with the second collection.
        await Task.Delay(interval, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        var console = Plain();
        console.Write(Screen.Render(await watched.LookAsync(sort, 0, rows, cancellationToken).ConfigureAwait(false), new ViewState(sort), int.MaxValue));
    }

    /// <summary>The processes that can be watched.</summary>
    public static void List()
    {
        var console = Plain();
        var table = new Table { Border = TableBorder.None };
        table.AddColumns("ID", "NAME", "PEREGRINE");
        foreach (var process in DotnetProcess.List())
        {
            table.AddRow(
                new Text(process.Id.ToString(CultureInfo.InvariantCulture)), new Text(Amounts.Text(process.Name)),
                new Text(process.IsPeregrine switch { true => "yes", false => "no", null => "cannot be seen" }));
        }

        console.Write(table);
    }

    /// <summary>All that the server knows of a connection.</summary>
    public static async Task ShowAsync(Target target, string id, CancellationToken cancellationToken)
    {
        using var admin = await ConnectAsync(target, cancellationToken).ConfigureAwait(false);
        var response = await admin.AskAsync(new AdminRequest { Request = AdminProtocol.Connection, Connection = id }, cancellationToken).ConfigureAwait(false);
        if (response.Connection is { } connection)
        {
            foreach (var (name, value) in Describe(connection))
            {
                Console.WriteLine($"{name,-16} {Amounts.Text(value, 200)}");
            }
        }
    }

    /// <summary>A request that only does something.</summary>
    public static async Task DoAsync(Target target, AdminRequest request, string done, CancellationToken cancellationToken)
    {
        using var admin = await ConnectAsync(target, cancellationToken).ConfigureAwait(false);
        await admin.AskAsync(request, cancellationToken).ConfigureAwait(false);
        Console.WriteLine(done);
    }

    private static async Task<AdminTool> ConnectAsync(Target target, CancellationToken cancellationToken)
    {
        if (target.Admin is { } path)
        {
            return await AdminTool.ConnectAsync(path, cancellationToken).ConfigureAwait(false);
        }

        using var watched = await Watched.AttachAsync(target.Process, null, Quick, cancellationToken).ConfigureAwait(false);
        return ServerMeasures.AdminSocket(watched.Metrics.Values) is { } found
            ? await AdminTool.ConnectAsync(found, cancellationToken).ConfigureAwait(false)
            : throw new ToolException(
                ExitCodes.NoAdmin,
                $"The admin socket of process {watched.Process.Id} ({watched.Process.Name}) is off; start it with --Peregrine:Admin:Socket=PATH, or set this in its configuration.");
    }

    private static IEnumerable<(string Name, string Value)> Describe(AdminConnection connection)
    {
        yield return ("id", connection.Id);
        yield return ("endpoint", connection.Endpoint);
        yield return ("remote", connection.Remote ?? "-");
        yield return ("local", connection.Local ?? "-");
        yield return ("state", connection.Stage);
        yield return ("asked to end", connection.IsCloseRequested ? "yes" : "no");
        yield return ("close reason", connection.CloseReason ?? "none so far");
        yield return ("age", Amounts.Time(connection.AgeInSeconds));
        yield return ("quiet for", Amounts.Time(connection.QuietInSeconds));
        yield return ("received", Amounts.Bytes(connection.BytesReceived));
        yield return ("sent", Amounts.Bytes(connection.BytesSent));
        yield return ("unread", Amounts.Bytes(connection.UnreadBytes));
        yield return ("unsent", Amounts.Bytes(connection.UnsentBytes));
        if (connection.Tcp is { } tcp)
        {
            yield return ("tcp state", tcp.State);
            yield return ("rtt", $"{Amounts.Time(tcp.RoundTripTimeInSeconds)}, {Amounts.Time(tcp.RoundTripTimeVarianceInSeconds)} of variance");
            yield return ("retransmits", Amounts.Count(tcp.Retransmits));
            yield return ("unacknowledged", Amounts.Bytes(tcp.UnacknowledgedBytes));
            yield return ("in the kernel", $"{Amounts.Bytes(tcp.UnsentBytes)} unsent");
            yield return ("delivery rate", Amounts.BytesPerSecond(tcp.DeliveryRateInBytesPerSecond));
            yield return ("cwnd", $"{Amounts.Count(tcp.CongestionWindowInSegments)} segments");
        }

        if (connection.Tls is { } tls)
        {
            yield return ("tls", $"{tls.Protocol} {tls.CipherSuite}");
            yield return ("server name", tls.HostName);
            yield return ("alpn", tls.ApplicationProtocol);
        }
    }

    private static IAnsiConsole Plain()
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Interactive = InteractionSupport.No, Out = new AnsiConsoleOutput(Console.Out),
        });
        console.Profile.Width = PlainWidth;
        return console;
    }
}

/// <summary>Which server is meant.</summary>
/// <param name="Process">An id or a name; null is the only one.</param>
/// <param name="Admin">The path of its admin socket; null is found.</param>
internal sealed record Target(string? Process, string? Admin);

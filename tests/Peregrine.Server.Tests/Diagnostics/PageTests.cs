using System.Diagnostics.Metrics;
using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Peregrine.Middleware;

namespace Peregrine.Server.Tests.Diagnostics;

/// <summary>The pages of docs/ list what there is: nothing is missing, and nothing is there that is not so.</summary>
public sealed class PageTests
{
    [Fact]
    public async Task The_page_of_the_metrics_has_every_instrument_and_no_other()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(TimeProvider.System.GetUtcNow(), TimeProvider.System.GetUtcNow().AddDays(1));
        await using var server = new TestServer(builder => builder.Listen(
            "test", "tcp://127.0.0.1:0", static endpoint => endpoint.ProxyProtocol = new ProxyProtocolOptions { DangerousTrustAnySender = true },
            tcp => tcp.UseTls(certificate).UseConcurrencyLimit(1).Run(Handlers.EchoAsync))
            .ListenUdp("udp://127.0.0.1:0", static udp => udp.UseSessions(static _ => Task.CompletedTask)));
        await server.StartAsync();
        var meters = server.Host.Services.GetRequiredService<IMeterFactory>();
        var instruments = new List<string>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (instrument.Meter.Scope == meters)
            {
                instruments.Add($"| `{instrument.Name}` | {instrument.GetType().Name.Split('`')[0]} | `{instrument.Unit}` |");
            }
        };
        listener.Start();
        AssertSame(instruments, RowsOf(Repository.Read("docs", "metrics.md"), columns: 3).Where(row => row.StartsWith("| `peregrine.", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_page_of_the_log_has_every_event_and_no_other()
    {
        var events = new List<string>();
        foreach (var project in new DirectoryInfo(Path.Combine(Repository.Root, "src")).GetDirectories("Peregrine.*")
            .Where(project => project.GetFiles("*Log.cs", SearchOption.AllDirectories).Length > 0))
        {
            var assembly = Assembly.Load(project.Name);
            foreach (var log in assembly.GetTypes())
            {
                var category = (string?)log.GetField("Category", BindingFlags.Public | BindingFlags.Static)?.GetRawConstantValue();
                foreach (var message in log.GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.DeclaredOnly)
                    .Select(method => method.GetCustomAttribute<LoggerMessageAttribute>()).OfType<LoggerMessageAttribute>())
                {
                    Assert.True(category is not null, $"{log.Name} has no constant Category.");
                    events.Add(string.Create(CultureInfo.InvariantCulture, $"| `{category}` | {message.EventId} | {message.Level} | {message.Message} |"));
                }
            }
        }

        Assert.NotEmpty(events);
        var ids = events.Select(row => string.Join('|', row.Split('|')[..3])).ToList();
        Assert.Equal(ids.Count, ids.Distinct().Count());
        AssertSame(events, RowsOf(Repository.Read("docs", "logs.md"), columns: 4).Where(row => row.StartsWith("| `Peregrine.", StringComparison.Ordinal)));
    }

    /// <summary>The first columns of every row; each row has something in the last one, too.</summary>
    private static IEnumerable<string> RowsOf(string page, int columns) => page.Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Select(line =>
    {
        var cells = line.Split(" | ");
        Assert.True(cells.Length > columns, line);
        Assert.True(cells[^1].TrimEnd('|', ' ').Length > 0, line);
        return string.Join(" | ", cells[..columns]) + " |";
    });

    private static void AssertSame(List<string> there, IEnumerable<string> page)
    {
        var listed = page.ToList();
        var missing = there.Except(listed).ToList();
        var stray = listed.Except(there).ToList();
        Assert.True(missing.Count + stray.Count == 0, $"Missing in the page:\n{string.Join('\n', missing)}\nIn the page, and not so:\n{string.Join('\n', stray)}");
    }
}

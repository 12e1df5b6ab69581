using System.Net;
using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine.IntegrationTests.Processes;
using Peregrine.Protocols;
using Peregrine.Server;

namespace Peregrine.IntegrationTests.Protocols;

/// <summary>Syslog from a sender that is not ours: <c>logger</c> of util-linux.</summary>
public sealed class LoggerTests : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    private readonly Channel<string> _received = Channel.CreateUnbounded<string>();
    private IHost _host = null!;

    private int Port => ((IPEndPoint)_host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0]).Port;

    public async Task InitializeAsync()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddPeregrine(server => server.Listen("syslog", "tcp://127.0.0.1:0", tcp => tcp.UseMessages<SyslogFrame, SyslogEntry>(
            () => new SyslogReader(), () => new SyslogWriter(), (_, frame) =>
            {
                Assert.True(_received.Writer.TryWrite(Describe(frame)));
                return ValueTask.CompletedTask;
            },
            configure: null)));
        _host = builder.Build();
        await _host.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await _host.StopAsync().WaitAsync(Limit, TimeProvider.System);
        _host.Dispose();
    }

    [RequiresProgramFact("logger")]
    public async Task Messages_come_in_both_framings()
    {
        foreach (var framing in (string[])["--octet-count", ""])
        {
            await LogAsync($"--rfc5424 {framing} -p local4.err -t app --id=47 --msgid M1 --sd-id 'x@32473' --sd-param 'q=\"a\\\"b\"' 'hello world'");
            await ShowAsync("Local4 Error app 47 M1 x@32473.q=a\"b hello world");
        }
    }

    [RequiresProgramFact("logger")]
    public async Task Many_messages_of_one_connection_come_in_their_order()
    {
        foreach (var framing in (string[])["--octet-count", ""])
        {
            await LogAsync($"--rfc5424 {framing} -p user.info -t seq --id=1 --size 20KiB", input: "seq 1 500; printf 'a%.0s' $(seq 1 9000); echo");
            for (var i = 1; i <= 500; i++)
            {
                await ShowAsync($"User Informational seq 1  x@32473.q= {i}");
            }

            await ShowAsync($"User Informational seq 1  x@32473.q= {new string('a', 9000)}");
        }
    }

    [RequiresProgramFact("logger")]
    public async Task What_is_of_RFC_3164_is_not_lost()
    {
        foreach (var framing in (string[])["--octet-count", ""])
        {
            await LogAsync($"--rfc3164 {framing} -p kern.warn -t old 'hello'");
            Assert.Matches("^raw <(4|12)>.* old: hello$", await ReceiveAsync());
        }
    }

    private static string Describe(SyslogFrame frame)
    {
        if (!SyslogMessage.TryParse(frame.Bytes, out var message) || message.Timestamp is null || message.HostName.IsEmpty)
        {
            return $"raw {Encoding.UTF8.GetString(frame.Bytes)}";
        }

        message.StructuredData.TryGet("x@32473"u8, "q"u8, out var q);
        return $"{message.Facility} {message.Severity} {message.AppName} {message.ProcessId} {message.MessageId} x@32473.q={q} {Encoding.UTF8.GetString(message.Text)}";
    }

    private Task<string> LogAsync(string arguments, string? input = null) =>
        ClientProcess.RunShellAsync($"{(input is null ? "" : $"({input}) | ")}logger --server 127.0.0.1 --port {Port} --tcp {arguments}");

    private Task<string> ReceiveAsync() => _received.Reader.ReadAsync().AsTask().WaitAsync(Limit, TimeProvider.System);

    private async Task ShowAsync(string expected) => Assert.Equal(expected, await ReceiveAsync());
}

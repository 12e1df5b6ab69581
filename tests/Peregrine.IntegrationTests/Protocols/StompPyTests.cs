using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine.IntegrationTests.Processes;
using Peregrine.Protocols;
using Peregrine.Server;

namespace Peregrine.IntegrationTests.Protocols;

/// <summary>STOMP 1.2 with a client that is not ours: stomp.py (Debian's python3-stomp). The server sends each message back to its sender.</summary>
public sealed class StompPyTests
{
    private const string Client = """
        import stomp, sys, threading
        done = threading.Event()
        class Listener(stomp.ConnectionListener):
            def on_connected(self, frame): print('connected', frame.headers['version'])
            def on_error(self, frame): print('error', frame.headers.get('message'), flush=True); done.set()
            def on_receipt(self, frame): print('receipt', frame.headers['receipt-id'])
            def on_message(self, frame):
                print('message', repr(frame.headers['special']), repr(frame.body), frame.headers['subscription'])
                if frame.body == b'last': done.set()
        connection = stomp.Connection12([('127.0.0.1', int(sys.argv[1]))], heartbeats=(100, 0), auto_decode=False)
        connection.set_listener('', Listener())
        connection.connect('user:name', 'pass', wait=True)
        connection.subscribe('/queue/a', id='1:2', receipt='r1')
        connection.send('/queue/a', b'\x00\x01\n\x00', headers={'special': 'a:b\nc\\d\r\u00e4'})
        connection.send('/queue/a', b'', headers={'special': ''})
        done.wait(0.5)
        connection.send('/queue/a', b'last', headers={'special': 'l'})
        assert done.wait(30)
        connection.disconnect(receipt='bye')
        """;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    private readonly StompWriter _writer = new();

    [RequiresPythonModuleFact("stomp")]
    public async Task Frames_pass_in_both_directions()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddPeregrine(server => server.Listen(
            "stomp", "tcp://127.0.0.1:0", tcp => tcp.UseMessages<StompFrame, StompFrameBuilder>(() => new StompReader(), () => _writer, AnswerAsync, configure: null)));
        using var host = builder.Build();
        await host.StartAsync();
        try
        {
            var port = ((IPEndPoint)host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0]).Port;
            var output = await ClientProcess.RunShellAsync($"{RequiresPythonModuleFactAttribute.Interpreter} - {port} <<'END'\n{Client}\nEND\n");
            Assert.Equal(
                """
                connected 1.2
                receipt r1
                message 'a:b\nc\\d\rä' b'\x00\x01\n\x00' 1:2
                message '' b'' 1:2
                message 'l' b'last' 1:2
                receipt bye

                """,
                output);
        }
        finally
        {
            await host.StopAsync().WaitAsync(Limit, TimeProvider.System);
        }
    }

    private async ValueTask AnswerAsync(MessageContext<StompFrameBuilder> context, StompFrame frame)
    {
        var receipt = frame.Headers.TryGet("receipt"u8, out var id) ? id.ToString() : null;
        if (frame.Command is StompCommand.Connect or StompCommand.Stomp)
        {
            Assert.True(frame.Headers.TryGet("login"u8, out var login) && login.SequenceEqual("user:name"u8));
            await context.WriteAsync(new StompFrameBuilder(StompCommand.Connected).Add("version", "1.2").Add("heart-beat", "0,100"));
            await context.Writer.WriteAsync(default(StompHeartBeat), _writer);
        }
        else if (frame.Command == StompCommand.Send)
        {
            var message = new StompFrameBuilder(StompCommand.Message) { Body = frame.Body }.Add("subscription", "1:2").Add("message-id", "1");
            foreach (var header in frame.Headers)
            {
                if (!header.Name.SequenceEqual("content-length"u8))
                {
                    message.Add(header);
                }
            }

            await context.WriteAsync(message);
        }

        if (receipt is not null)
        {
            await context.WriteAsync(new StompFrameBuilder(StompCommand.Receipt).Add("receipt-id", receipt));
        }
    }
}

using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peregrine.Protocols.Tests.Handlers;
using Peregrine.Server;
using Readings;

namespace Peregrine.Protocols.Tests.Samples;

/// <summary>The protocol that docs/writing-a-protocol.md builds.</summary>
public sealed class ReadingsTests
{
    private static readonly RequestReader s_reader = new();

    [Theory]
    [InlineData("000701002A000008CA", RequestKind.Measured, 42, 2250)]
    [InlineData("00070100FFFFFFFFFF", RequestKind.Measured, 255, -1)]
    [InlineData("0003022A00", RequestKind.Ask, 0x2A00, 0)]
    public void A_request_is_found_in_its_bytes_however_they_are_cut(string bytes, RequestKind kind, ushort sensor, int hundredths)
    {
        var all = Convert.FromHexString(bytes);
        for (var first = 0; first <= all.Length; first++)
        {
            for (var second = first; second <= all.Length; second++)
            {
                Assert.Equal(new Request(kind, sensor, hundredths), Parse(Segments.Of(all, first, second)));
                Assert.Equal(second == all.Length, Parse(Segments.Of(all.AsMemory(0, second), first)) is not null);
            }
        }
    }

    [Theory]
    [InlineData("0000")]
    [InlineData("000101")]
    [InlineData("0003012A00")]
    [InlineData("0003032A00")]
    [InlineData("0004022A0000")]
    [InlineData("000801002A000008CA00")]
    public void What_is_no_request_can_be_skipped(string bytes)
    {
        var input = new ReadOnlySequence<byte>(Convert.FromHexString(bytes));
        var (consumed, examined) = (input.Start, input.Start);
        Assert.Throws<MessageFormatException>(() => s_reader.TryParse(input, ref consumed, ref examined, out _));
        Assert.Equal(input.End, consumed);
    }

    [Fact]
    public async Task It_is_served_over_sockets()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton<Measurements>();
        builder.Services.AddPeregrine(server => server.Listen("readings", "tcp://127.0.0.1:0", tcp =>
            tcp.UseMessageHandler<ReadingsHandler, Request, Answer>(new RequestReader(), new AnswerWriter())));
        using var host = builder.Build();
        await host.StartAsync();
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)host.Services.GetRequiredService<PeregrineServer>().Endpoints[0].Addresses[0]);
        var stream = client.GetStream();
        await stream.WriteAsync(Convert.FromHexString("000701002A000008CA" + "000701002AFFFFFFFF" + "000302002A" + "000107" + "000302002B"));
        client.Client.Shutdown(SocketShutdown.Send);
        using var received = new MemoryStream();
        await stream.CopyToAsync(received).WaitAsync(HandledConnection.Limit, TimeProvider.System);
        Assert.Equal(
            "000E002A00000002FFFFFFFF000008CA" + "000E0000000000000000000000000000" + "000E002B000000000000000000000000", Convert.ToHexString(received.ToArray()));
        await host.StopAsync();
    }

    [Fact]
    public async Task A_client_that_is_never_understood_is_left()
    {
        await using var services = new ServiceCollection().AddLogging().AddSingleton<Measurements>().BuildServiceProvider();
        using var connection = new HandledConnection(
            builder => builder.UseMessageHandler<ReadingsHandler, Request, Answer>(new RequestReader(), new AnswerWriter()), services);
        await connection.SendAsync(string.Concat(Enumerable.Repeat("\0\u0001\u0007", 50)));
        Assert.Equal(10 * 16, (await connection.ReceiveAllAsync()).Length);
        await connection.EndedAsync();
    }

    [Theory]
    [InlineData("Request.cs")]
    [InlineData("RequestReader.cs")]
    [InlineData("Answer.cs")]
    [InlineData("AnswerWriter.cs")]
    [InlineData("Measurements.cs")]
    [InlineData("ReadingsHandler.cs")]
    [InlineData("Program.cs")]
    public void The_page_shows_the_sample_as_it_is(string file) => Repository.ShowsSample("writing-a-protocol.md", "Readings", file);

    private static Request? Parse(ReadOnlySequence<byte> input)
    {
        var (consumed, examined) = (input.Start, input.Start);
        if (!s_reader.TryParse(input, ref consumed, ref examined, out var request))
        {
            return null;
        }

        Assert.Equal(input.GetOffset(input.End), input.GetOffset(consumed));
        return request;
    }
}

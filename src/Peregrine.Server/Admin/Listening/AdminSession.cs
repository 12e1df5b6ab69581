using System.Net.Sockets;
using System.Text.Json;
using Peregrine.Server.Admin.Protocol;

namespace Peregrine.Server.Admin.Listening;

/// <summary>One connection to the admin socket: reads a line, answers it, reads the next.</summary>
internal sealed class AdminSession(Socket socket, AdminRequests requests, TimeProvider clock)
{
    /// <summary>A tool that looks once a second is far from it; one that hangs does not keep its place.</summary>
    private static readonly TimeSpan LongestSilence = TimeSpan.FromMinutes(2);

    /// <summary>The kernel takes most answers at once: whoever reads none of this one reads none.</summary>
    private static readonly TimeSpan LongestSend = TimeSpan.FromSeconds(10);

    // One more than the longest line, for its end.
    private readonly byte[] _buffer = new byte[AdminProtocol.MaxRequestBytes + 1];
    private int _start;
    private int _end;

    /// <summary>To its end: the peer's, a line that cannot be read, or the server's.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (await ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line)
        {
            AdminResponse response;
            try
            {
                response = JsonSerializer.Deserialize(line.Span, AdminJson.Default.AdminRequest) is { } request
                    ? await requests.AnswerAsync(request, cancellationToken).ConfigureAwait(false)
                    : AdminRequests.Refuse(AdminErrors.BadRequest, "A request is a JSON object, not null.");
            }
            catch (JsonException exception)
            {
                response = AdminRequests.Refuse(AdminErrors.BadRequest, $"The line is not a request: {exception.Message}");
            }

            await SendAsync(response, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>One line, as an answer to nothing, for whoever is not served.</summary>
    public Task SendAsync(string code, string message, CancellationToken cancellationToken) => SendAsync(AdminRequests.Refuse(code, message), cancellationToken);

    /// <summary>Null at the end. What is returned is valid until the next call.</summary>
    private async Task<ReadOnlyMemory<byte>?> ReadLineAsync(CancellationToken cancellationToken)
    {
        using var silence = new CancellationTokenSource(LongestSilence, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, cancellationToken);
        var looked = _start;
        while (true)
        {
            var length = _buffer.AsSpan(looked.._end).IndexOf((byte)'\n');
            if (length >= 0)
            {
                var line = _buffer.AsMemory(_start..(looked + length));
                _start = looked + length + 1;
                return line;
            }

            _buffer.AsSpan(_start.._end).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
            looked = _end;
            if (_end == _buffer.Length)
            {
                await SendAsync(AdminErrors.TooLong, $"A line has at most {AdminProtocol.MaxRequestBytes} bytes.", cancellationToken).ConfigureAwait(false);
                return null;
            }

            var received = await socket.ReceiveAsync(_buffer.AsMemory(_end), SocketFlags.None, either.Token).ConfigureAwait(false);
            if (received == 0)
            {
                return null;
            }

            _end += received;
        }
    }

    private async Task SendAsync(AdminResponse response, CancellationToken cancellationToken)
    {
        using var time = new CancellationTokenSource(LongestSend, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(time.Token, cancellationToken);
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(response, AdminJson.Default.AdminResponse), (byte)'\n'];
        for (var sent = 0; sent < line.Length;)
        {
            sent += await socket.SendAsync(line.AsMemory(sent), SocketFlags.None, either.Token).ConfigureAwait(false);
        }
    }
}

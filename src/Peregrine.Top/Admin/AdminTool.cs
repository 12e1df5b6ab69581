using System.Net.Sockets;
using System.Text.Json;
using Peregrine.Server.Admin.Protocol;

namespace Peregrine.Top.Admin;

/// <summary>A connection to the admin socket of a server: one request at a time.</summary>
internal sealed class AdminTool : IDisposable
{
    /// <summary>A page of a thousand connections has some 600 KB.</summary>
    private const int MaxResponseBytes = 16 << 20;

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(15);

    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly string _path;
    private byte[] _buffer = new byte[64 << 10];
    private int _end;

    private AdminTool(string path) => _path = path;

    /// <exception cref="ToolException">It cannot be connected to.</exception>
    public static async Task<AdminTool> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var tool = new AdminTool(path);
        try
        {
            await tool._socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
            return tool;
        }
        catch (Exception exception) when (exception is SocketException or ArgumentException)
        {
            tool.Dispose();
            throw (exception as SocketException)?.SocketErrorCode == SocketError.AccessDenied
                ? new ToolException(ExitCodes.NoPermission, $"The admin socket {path} is another user's; run this as the server's user, or as root.")
                : new ToolException(ExitCodes.NoAdmin, $"Nobody listens on the admin socket {path}: {exception.Message}");
        }
    }

    /// <exception cref="ToolException">It is refused, or the server is gone.</exception>
    public async Task<AdminResponse> AskAsync(AdminRequest request, CancellationToken cancellationToken)
    {
        using var time = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        time.CancelAfter(LongestWait);
        try
        {
            byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(request with { Version = AdminProtocol.Version }, AdminJson.Default.AdminRequest), (byte)'\n'];
            for (var sent = 0; sent < line.Length;)
            {
                sent += await _socket.SendAsync(line.AsMemory(sent), SocketFlags.None, time.Token).ConfigureAwait(false);
            }

            var response = await ReceiveAsync(time.Token).ConfigureAwait(false);
            return response.Error is not { } error ? response : throw new ToolException(ExitCodeOf(error.Code), error.Message);
        }
        catch (Exception exception) when (exception is SocketException or JsonException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw new ToolException(ExitCodes.Failed, $"The admin socket {_path} does not answer: {exception.Message}");
        }
    }

    public void Dispose() => _socket.Dispose();

    private async Task<AdminResponse> ReceiveAsync(CancellationToken cancellationToken)
    {
        _end = 0;
        var looked = 0;
        while (true)
        {
            var length = _buffer.AsSpan(looked.._end).IndexOf((byte)'\n');
            if (length >= 0)
            {
                return JsonSerializer.Deserialize(_buffer.AsSpan(0, looked + length), AdminJson.Default.AdminResponse)
                    ?? throw new JsonException("It says nothing.");
            }

            looked = _end;
            if (_end == _buffer.Length)
            {
                if (_end >= MaxResponseBytes)
                {
                    throw new JsonException("Its answer is too long.");
                }

                Array.Resize(ref _buffer, 2 * _end);
            }

            var received = await _socket.ReceiveAsync(_buffer.AsMemory(_end), SocketFlags.None, cancellationToken).ConfigureAwait(false);
            _end += received > 0 ? received : throw new ToolException(ExitCodes.NoAdmin, "The server has ended.");
        }
    }

    private static int ExitCodeOf(string code) => code switch
    {
        AdminErrors.NotFound => ExitCodes.NotFound,
        AdminErrors.Forbidden => ExitCodes.NoPermission,
        _ => ExitCodes.Failed,
    };
}

using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Sockets.EventLoops;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.EventLoops;

/// <summary>A server in small, on event loops of its own or on the thread pool's: each connection's handler is started where it goes on, as the server does it.</summary>
internal sealed class LoopServer : IAsyncDisposable
{
    private readonly LeakCheckingMemoryPool _pool = new();
    private readonly Func<ConnectionContext, Task> _handler;
    private readonly IConnectionListener _listener;
    private readonly Task _accepting;
    private readonly Lock _lock = new();
    private readonly List<Task> _handling = [];

    private LoopServer(IConnectionListener listener, LeakCheckingMemoryPool pool, Func<ConnectionContext, Task> handler)
    {
        (_listener, _pool, _handler) = (listener, pool, handler);
        _accepting = Task.Run(AcceptAsync);
    }

    // A peer that resets the connection behind its FIN leaves bytes that are never acknowledged.
    private static CloseOptions Close => new() { ProgressTimeout = TimeSpan.FromSeconds(1) };

    public EndPoint EndPoint => _listener.EndPoint;

    public RecordedLog Log { get; private init; } = new();

    public static Task<LoopServer> StartAsync(Func<ConnectionContext, Task> handler, int loops = 1, int mostHeld = 16) =>
        StartAsync(handler, new SocketTransportOptions { Scheduling = ConnectionScheduling.EventLoop, EventLoops = new LoopGroup(loops, mostHeld), Close = Close });

    public static Task<LoopServer> StartOnThreadPoolAsync(Func<ConnectionContext, Task> handler) => StartAsync(handler, ConnectionScheduling.ThreadPool);

    /// <summary>As an application has it.</summary>
    public static Task<LoopServer> StartAsync(Func<ConnectionContext, Task> handler, ConnectionScheduling scheduling) =>
        StartAsync(handler, new SocketTransportOptions { Scheduling = scheduling, Close = Close });

    private static async Task<LoopServer> StartAsync(Func<ConnectionContext, Task> handler, SocketTransportOptions options)
    {
        var pool = new LeakCheckingMemoryPool();
        var log = new RecordedLog();
        options.MemoryPool = pool;
        var transport = new SocketTransportFactory(options, log);
        return new LoopServer(await transport.BindAsync(new IPEndPoint(IPAddress.Loopback, 0)), pool, handler) { Log = log };
    }

    public static async Task EchoAsync(ConnectionContext connection)
    {
        while (true)
        {
            var read = await connection.Transport.Input.ReadAsync();
            foreach (var segment in read.Buffer)
            {
                await connection.Transport.Output.WriteAsync(segment);
            }

            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return;
            }
        }
    }

    public async Task<Socket> ConnectAsync()
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await client.ConnectAsync(EndPoint).Bounded();
        return client;
    }

    /// <summary>After all clients are gone, or their handlers have ended.</summary>
    public async ValueTask DisposeAsync()
    {
        await _listener.UnbindAsync();
        await _accepting.Bounded();
        await _listener.DisposeAsync();
        Task[] handling;
        lock (_lock)
        {
            handling = [.. _handling];
        }

        await Task.WhenAll(handling).Bounded();
        await _pool.WhenAllReturnedAsync(TestTimeout.Limit);
        _pool.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (await _listener.AcceptAsync() is { } connection)
        {
            var started = new Started(this, connection);
            lock (_lock)
            {
                _handling.RemoveAll(task => task.IsCompleted);
                _handling.Add(started.Ended.Task);
            }

            connection.Features.Get<IConnectionSchedulingFeature>()!.Schedule(started);
        }
    }

    private sealed class Started(LoopServer server, ConnectionContext connection) : IThreadPoolWorkItem
    {
        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Execute() => _ = RunAsync();

        private async Task RunAsync()
        {
            try
            {
                await server._handler(connection).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is IOException or OperationCanceledException or InvalidOperationException)
            {
                // Reset, aborted or completed.
            }
            finally
            {
                await connection.DisposeAsync().ConfigureAwait(false);
                Ended.SetResult();
            }
        }
    }
}

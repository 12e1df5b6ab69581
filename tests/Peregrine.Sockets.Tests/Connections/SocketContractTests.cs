using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Peregrine.Contract;
using Peregrine.Sockets.Connections;
using Peregrine.Sockets.Time;
using Peregrine.Testing;

namespace Peregrine.Sockets.Tests.Connections;

public sealed class TcpReaderTests() : ReaderContract(SocketPair.TcpAsync);

public sealed class TcpReaderMisuseTests() : ReaderMisuseContract(SocketPair.TcpAsync);

public sealed class TcpReaderCancellationTests() : ReaderCancellationContract(SocketPair.TcpAsync);

public sealed class TcpWriterTests() : WriterContract(SocketPair.TcpAsync);

public sealed class TcpBackpressureTests() : BackpressureContract(SocketPair.TcpAsync);

public sealed class TcpBufferTests() : BufferContract(SocketPair.TcpAsync);

public sealed class TcpConnectionTests() : ConnectionContract(SocketPair.TcpAsync);

public sealed class TcpEndTests() : EndContract(SocketPair.TcpAsync);

public sealed class TcpRandomTransferTests() : RandomTransferContract(SocketPair.TcpAsync, seeds: 200);

public sealed class UnixReaderTests() : ReaderContract(SocketPair.UnixAsync);

public sealed class UnixReaderMisuseTests() : ReaderMisuseContract(SocketPair.UnixAsync);

public sealed class UnixReaderCancellationTests() : ReaderCancellationContract(SocketPair.UnixAsync);

public sealed class UnixWriterTests() : WriterContract(SocketPair.UnixAsync);

public sealed class UnixBackpressureTests() : BackpressureContract(SocketPair.UnixAsync);

public sealed class UnixBufferTests() : BufferContract(SocketPair.UnixAsync);

public sealed class UnixConnectionTests() : ConnectionContract(SocketPair.UnixAsync);

public sealed class UnixEndTests() : EndContract(SocketPair.UnixAsync);

public sealed class UnixRandomTransferTests() : RandomTransferContract(SocketPair.UnixAsync, seeds: 200);

public sealed class PoolTcpReaderTests() : ReaderContract(SocketPair.PoolTcpAsync);

public sealed class PoolTcpReaderMisuseTests() : ReaderMisuseContract(SocketPair.PoolTcpAsync);

public sealed class PoolTcpReaderCancellationTests() : ReaderCancellationContract(SocketPair.PoolTcpAsync);

public sealed class PoolTcpWriterTests() : WriterContract(SocketPair.PoolTcpAsync);

public sealed class PoolTcpBackpressureTests() : BackpressureContract(SocketPair.PoolTcpAsync);

public sealed class PoolTcpConnectionTests() : ConnectionContract(SocketPair.PoolTcpAsync);

public sealed class PoolTcpEndTests() : EndContract(SocketPair.PoolTcpAsync);

public sealed class PoolTcpRandomTransferTests() : RandomTransferContract(SocketPair.PoolTcpAsync, seeds: 200);

public sealed class LoopTcpReaderTests() : ReaderContract(SocketPair.LoopTcpAsync);

public sealed class LoopTcpReaderMisuseTests() : ReaderMisuseContract(SocketPair.LoopTcpAsync);

public sealed class LoopTcpReaderCancellationTests() : ReaderCancellationContract(SocketPair.LoopTcpAsync);

public sealed class LoopTcpWriterTests() : WriterContract(SocketPair.LoopTcpAsync);

public sealed class LoopTcpBackpressureTests() : BackpressureContract(SocketPair.LoopTcpAsync);

public sealed class LoopTcpConnectionTests() : ConnectionContract(SocketPair.LoopTcpAsync);

public sealed class LoopTcpEndTests() : EndContract(SocketPair.LoopTcpAsync);

public sealed class LoopTcpRandomTransferTests() : RandomTransferContract(SocketPair.LoopTcpAsync, seeds: 200);

public sealed class PoolUnixReaderTests() : ReaderContract(SocketPair.PoolUnixAsync);

public sealed class PoolUnixReaderMisuseTests() : ReaderMisuseContract(SocketPair.PoolUnixAsync);

public sealed class PoolUnixReaderCancellationTests() : ReaderCancellationContract(SocketPair.PoolUnixAsync);

public sealed class PoolUnixWriterTests() : WriterContract(SocketPair.PoolUnixAsync);

public sealed class PoolUnixBackpressureTests() : BackpressureContract(SocketPair.PoolUnixAsync);

public sealed class PoolUnixConnectionTests() : ConnectionContract(SocketPair.PoolUnixAsync);

public sealed class PoolUnixEndTests() : EndContract(SocketPair.PoolUnixAsync);

public sealed class PoolUnixRandomTransferTests() : RandomTransferContract(SocketPair.PoolUnixAsync, seeds: 200);

public sealed class LoopUnixReaderTests() : ReaderContract(SocketPair.LoopUnixAsync);

public sealed class LoopUnixReaderMisuseTests() : ReaderMisuseContract(SocketPair.LoopUnixAsync);

public sealed class LoopUnixReaderCancellationTests() : ReaderCancellationContract(SocketPair.LoopUnixAsync);

public sealed class LoopUnixWriterTests() : WriterContract(SocketPair.LoopUnixAsync);

public sealed class LoopUnixBackpressureTests() : BackpressureContract(SocketPair.LoopUnixAsync);

public sealed class LoopUnixConnectionTests() : ConnectionContract(SocketPair.LoopUnixAsync);

public sealed class LoopUnixEndTests() : EndContract(SocketPair.LoopUnixAsync);

public sealed class LoopUnixRandomTransferTests() : RandomTransferContract(SocketPair.LoopUnixAsync, seeds: 200);

internal static class SocketPair
{
    public static ValueTask<ConnectionPair> TcpAsync(int blockSizeInBytes) => ConnectAsync(blockSizeInBytes, AnyPort, TestedSocket.EventArgs);

    public static ValueTask<ConnectionPair> UnixAsync(int blockSizeInBytes) => ConnectAsync(blockSizeInBytes, AnyName, TestedSocket.EventArgs);

    public static ValueTask<ConnectionPair> PoolTcpAsync(int blockSizeInBytes) => ConnectAsync(blockSizeInBytes, AnyPort, TestedSocket.ThreadPool);

    public static ValueTask<ConnectionPair> PoolUnixAsync(int blockSizeInBytes) => ConnectAsync(blockSizeInBytes, AnyName, TestedSocket.ThreadPool);

    public static ValueTask<ConnectionPair> LoopTcpAsync(int blockSizeInBytes) => ConnectAsync(blockSizeInBytes, AnyPort, TestedSocket.EventLoop);

    public static ValueTask<ConnectionPair> LoopUnixAsync(int blockSizeInBytes) => ConnectAsync(blockSizeInBytes, AnyName, TestedSocket.EventLoop);

    private static IPEndPoint AnyPort => new(IPAddress.Loopback, 0);

    private static UnixDomainSocketEndPoint AnyName => new("\0peregrine-contract-" + Guid.NewGuid().ToString("N"));

    private static async ValueTask<ConnectionPair> ConnectAsync(int blockSizeInBytes, EndPoint endPoint, TestedSocket tested)
    {
        var pool = new LeakCheckingMemoryPool(blockSizeInBytes);
        var transport = new SocketTransportFactory(
            new SocketTransportOptions
            {
                Tested = tested,
                StreamSettings = new StreamSettings
                {
                    Pool = pool,
                    Heartbeat = new Heartbeat(TimeProvider.System),
                    Logger = NullLogger.Instance,
                    SmallestReceiveInBytes = blockSizeInBytes,
            LargestReceiveInBytes = blockSizeInBytes,
            WaitBufferSizeInBytes = Math.Clamp(blockSizeInBytes, 1, 512),
                    MinimumReceiveSizeInBytes = Math.Max(1, blockSizeInBytes / 4),
                    SmallestSendBlockInBytes = blockSizeInBytes,
                    LargestSendBlockInBytes = blockSizeInBytes,
                    MostCopiedInBytes = 4 * blockSizeInBytes,
                    WaitPieceInBytes = Math.Max(1, blockSizeInBytes / 4),
                    Close = new CloseOptions { DiscardLimitInBytes = 64 * 1024 },
                },
            },
            NullLoggerFactory.Instance);
        var listener = await transport.BindAsync(endPoint);
        var accepting = listener.AcceptAsync();
        var client = await transport.ConnectAsync(listener.EndPoint);
        var server = await accepting;
        if (endPoint is IPEndPoint)
        {
            ShrinkKernelBuffers(client, blockSizeInBytes);
            ShrinkKernelBuffers(server!, blockSizeInBytes);
        }

        return new ConnectionPair(server!, client, blockSizeInBytes, pool)
        {
            Cleanup = listener.DisposeAsync,
            SettleTime = TimeSpan.FromMilliseconds(200),

            // The kernel has room: on a busy machine the thread pool may take longer than any settle time to use it.
            CanMove = () => server!.Features.Get<IConnectionSocketFeature>()!.Socket.Poll(0, SelectMode.SelectWrite),
            HasReset = endPoint is IPEndPoint,
        };
    }

    /// <summary>Filling megabytes block by block of one byte takes minutes. (A Unix domain socket takes some 280 sends, however small.)</summary>
    private static void ShrinkKernelBuffers(ConnectionContext connection, int blockSizeInBytes)
    {
        var socket = connection.Features.Get<IConnectionSocketFeature>()!.Socket;
        socket.SendBufferSize = blockSizeInBytes < 64 ? 4 * 1024 : 64 * 1024;
        if (blockSizeInBytes < 64)
        {
            socket.ReceiveBufferSize = 4 * 1024;
        }
    }
}

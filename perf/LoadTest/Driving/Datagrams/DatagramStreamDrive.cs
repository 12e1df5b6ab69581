using System.Diagnostics;
using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Driving.Linux;
using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>
/// Datagrams one way, from the server to the client, which asks for <see cref="PerRequest"/> at a time, with as many requests in flight as its receive buffer has
/// room for. Every byte is compared; a request that is not answered in full is given up after a time, what is missing is counted, and another one goes.
/// </summary>
internal sealed class DatagramStreamDrive(Load load, Target target) : IDrive
{
    private const int PerRequest = 64;
    private const int MostTogether = 64;
    private const int ReceiveBuffer = 4 << 20;

    // What a datagram of 1,200 bytes takes of the buffer (skb->truesize), and some more; and of the buffer, the kernel gives up to a quarter back late.
    private const int TakenByDatagram = 2_560;
    private const double Usable = 0.75;

    // The largest payload: what was sent as segments of one piece is received as that.
    private const int LargestPiece = 65_535;
    private static readonly TimeSpan WaitAtMost = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LostAfter = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(15);

    private readonly byte[] _expected = SourceRequest.CreateAnswer();
    private readonly long[] _numbers = new long[load.Depth];
    private readonly ulong[] _missing = new ulong[load.Depth];
    private readonly long[] _askedAt = new long[load.Depth];
    private readonly Polling _polling = new();
    private DatagramSocket _socket;
    private int _depth;
    private long _lost;
    private long _received;

    public async Task<Measurement> RunAsync(CancellationToken cancellationToken)
    {
        _socket = DatagramSocket.Connect(target.Port).WithCoalescing().WithReceiveTimeout(WaitAtMost);
        try
        {
            _depth = Math.Clamp((int)(_socket.AskForReceiveBuffer(ReceiveBuffer) * Usable / (PerRequest * TakenByDatagram)), 1, load.Depth);
            var window = new MeasuringWindow();
            var running = Task.Factory.StartNew(() => Run(window), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            await window.RunAsync(load, target.Process, running, cancellationToken);
            await running;
            return new Measurement
            {
                [Metric.DatagramsPerSecond.Key] = _received / window.Elapsed.TotalSeconds,
                [Metric.MegabytesPerSecond.Key] = _received * SourceRequest.AnswerSizeInBytes / 1e6 / window.Elapsed.TotalSeconds,
                [Metric.Lost.Key] = 100.0 * _lost / Math.Max(_lost + _received, 1),
                [Metric.CpuPerDatagram.Key] = window.ServerCpu.TotalMicroseconds / Math.Max(_received, 1),
                [Metric.ServerCore.Key] = window.ServerPercent,
                [Metric.ClientCore.Key] = window.ClientPercentWithout(_polling.Idle),
            };
        }
        finally
        {
            _socket.Close();
        }
    }

    private void Run(MeasuringWindow window)
    {
        using var requests = new DatagramVector(1, SourceRequest.SizeInBytes);
        using var incoming = new DatagramVector(MostTogether, LargestPiece);
        for (var slot = 0; slot < _depth; slot++)
        {
            _numbers[slot] = slot - load.Depth;
            Ask(requests, slot);
        }

        var heard = Stopwatch.GetTimestamp();
        var looked = heard;
        while (!window.Enough)
        {
            var count = _polling.Next(() => _socket.TryReceive(incoming), () => _socket.Receive(incoming), window.IsOpen);
            for (var i = 0; i < count; i++)
            {
                Take(incoming.Received(i), incoming.SegmentSize(i), requests, window.IsOpen);
            }

            var now = Stopwatch.GetTimestamp();
            heard = count > 0 ? now : heard;
            if (Stopwatch.GetElapsedTime(looked, now) > WaitAtMost)
            {
                looked = now;
                AskAgain(requests, now, window.IsOpen);
                if (Stopwatch.GetElapsedTime(heard, now) > SilenceLimit)
                {
                    throw new InvalidDataException($"The server sent nothing for {SilenceLimit.TotalSeconds} s, and was asked.");
                }
            }
        }
    }

    private void Take(ReadOnlySpan<byte> piece, int size, DatagramVector requests, bool isMeasured)
    {
        while (piece.Length > 0)
        {
            var answer = piece[..Math.Min(size, piece.Length)];
            piece = piece[answer.Length..];
            var isWhole = answer.Length == SourceRequest.AnswerSizeInBytes
                && answer[SourceRequest.SizeInBytes..].SequenceEqual(_expected.AsSpan(SourceRequest.SizeInBytes));
            var (number, index) = isWhole ? SourceRequest.ReadHead(answer) : (-1, -1);
            var slot = (int)(number % load.Depth);
            if (!isWhole || number < 0 || slot >= _depth || number > _numbers[slot] || (uint)index >= PerRequest)
            {
                throw new InvalidDataException($"A datagram of {answer.Length} bytes came, number {number}, index {index}, that was not asked for.");
            }

            if (number < _numbers[slot])
            {
                // Late, of a request that was given up, and counted as lost.
                continue;
            }

            var bit = 1UL << index;
            if ((_missing[slot] & bit) == 0)
            {
                throw new InvalidDataException($"Datagram {index} of request {number} came twice.");
            }

            _missing[slot] &= ~bit;
            _received += isMeasured ? 1 : 0;
            if (_missing[slot] == 0)
            {
                Ask(requests, slot);
            }
        }
    }

    private void AskAgain(DatagramVector requests, long now, bool isMeasured)
    {
        for (var slot = 0; slot < _depth; slot++)
        {
            if (Stopwatch.GetElapsedTime(_askedAt[slot], now) > LostAfter)
            {
                _lost += isMeasured ? System.Numerics.BitOperations.PopCount(_missing[slot]) : 0;
                Ask(requests, slot);
            }
        }
    }

    private void Ask(DatagramVector requests, int slot)
    {
        _numbers[slot] += load.Depth;
        _missing[slot] = ulong.MaxValue;
        _askedAt[slot] = Stopwatch.GetTimestamp();
        new SourceRequest(_numbers[slot], PerRequest).Write(requests[0]);
        _socket.Send(requests, 1);
    }
}

using Peregrine.Sockets.Datagrams;

namespace Peregrine.Sockets.Linux;

/// <summary>
/// What recvmmsg(2) receives into: headers, addresses, ancillary data and payloads in pinned memory, prepared once; a call resets only what the last one has changed. Datagrams that came as
/// one (UDP_GRO, udp(7)) are handed out one by one, in their order.
/// </summary>
internal sealed unsafe class IncomingMessages
{
    private const int Truncated = 0x20; // MSG_TRUNC

    // Beginnings of buffers a multiple of 4,096 bytes apart would share a few lines of the first-level cache: this is an odd number of lines more.
    private const int CacheLine = 64;
    private const int Page = 4096;
    private const int Stagger = 5 * CacheLine;

    private readonly DatagramCalls.ManyMessages _receive;
    private readonly DatagramCalls.Message[] _messages;
    private readonly SocketCalls.IoVector[] _vectors;
    private readonly byte[] _names;
    private readonly byte[] _control;
    private readonly byte[] _payloads;
    private readonly int _stride;
    private readonly int _controlLength;
    private readonly int _longest;
    private readonly DatagramAddress _peer;
    private readonly DatagramAddress _local;

    // What was received, and how far it was handed out.
    private int _count;
    private int _next;
    private int _offset;
    private int _segmentSize;
    private DatagramPath _path;
    private DatagramMarks _marks;

    public IncomingMessages(DatagramCalls.ManyMessages receive, ReceiveShape shape)
    {
        _receive = receive;
        _longest = shape.LongestDatagram;
        _peer = shape.Peer;
        _local = shape.Local;
        _controlLength = shape.HasControl ? ControlMessages.ReceivedLength : 0;
        var count = shape.Messages;
        var bufferLength = shape.IsCoalesced ? DatagramLimits.LargestReceived : shape.LongestDatagram;
        _stride = StrideOf(bufferLength);
        _messages = GC.AllocateArray<DatagramCalls.Message>(count, pinned: true);
        _vectors = GC.AllocateArray<SocketCalls.IoVector>(count, pinned: true);
        _names = GC.AllocateArray<byte>(count * DatagramAddressBytes.Longest, pinned: true);
        _control = GC.AllocateArray<byte>(count * _controlLength, pinned: true);

        // Not cleared: pages that no datagram was long enough for cost nothing.
        _payloads = GC.AllocateUninitializedArray<byte>(count * _stride, pinned: true);
        var hasNames = _peer == DatagramAddress.Unspecified;
        for (var i = 0; i < count; i++)
        {
            _vectors[i] = new SocketCalls.IoVector { Bytes = Pinned.Address(_payloads, i * _stride), Length = (nuint)bufferLength };
            ref var header = ref _messages[i].Header;
            header.Vectors = Pinned.Address(_vectors, i);
            header.VectorCount = 1;
            header.Name = hasNames ? Pinned.Address(_names, i * DatagramAddressBytes.Longest) : null;
            header.ControlBytes = _controlLength > 0 ? Pinned.Address(_control, i * _controlLength) : null;
        }

        _count = count;
        Reset();
    }

    public int Capacity => _messages.Length;

    /// <summary>Messages that were received, and not handed out wholly.</summary>
    public bool IsEmpty => _next == _count;

    /// <summary>Receives what there is, when everything was handed out.</summary>
    /// <returns>How many messages; negative, it is an errno.</returns>
    public int Receive(int descriptor)
    {
        Reset();
        var received = _receive(descriptor, Pinned.Address(_messages, 0), _messages.Length);
        _count = Math.Max(received, 0);
        return received;
    }

    /// <summary>Adds the next datagrams to a batch.</summary>
    /// <param name="batch">Their payloads are valid until the next call of <see cref="Receive"/>.</param>
    /// <param name="most">How many it may have then.</param>
    /// <param name="timestamp">When they were received.</param>
    /// <param name="counters">Where they are counted.</param>
    public void Take(DatagramBatch batch, int most, long timestamp, DatagramCounters counters)
    {
        var (datagrams, bytes, truncated) = (0, 0L, 0);
        while (_next < _count && batch.Count < most)
        {
            ref readonly var message = ref _messages[_next];
            var length = (int)message.Length;
            if (_offset == 0)
            {
                Begin(message);
            }

            var size = _segmentSize == 0 ? length : Math.Min(_segmentSize, length - _offset);
            datagrams++;
            bytes += size;
            if (size > _longest || (message.Header.Flags & Truncated) != 0)
            {
                truncated++;
            }
            else
            {
                batch.Add(new Datagram(new ReadOnlyMemory<byte>(_payloads, (_next * _stride) + _offset, size), _path, _marks, timestamp));
            }

            _offset += size;
            if (_offset >= length)
            {
                _offset = 0;
                _next++;
            }
        }

        counters.AddReceived(datagrams, bytes);
        if (truncated > 0)
        {
            counters.AddDropped(DatagramDropReason.Truncated, truncated);
        }
    }

    private void Begin(in DatagramCalls.Message message)
    {
        var remote = _peer;
        if (message.Header.NameLength > 0 && message.Header.Name != null)
        {
            remote = DatagramAddressBytes.Read(new ReadOnlySpan<byte>(message.Header.Name, DatagramAddressBytes.Longest));
        }

        if (_controlLength == 0)
        {
            _segmentSize = 0;
            _path = new DatagramPath(remote, _local);
            return;
        }

        var control = ControlMessages.Read(new ReadOnlySpan<byte>(message.Header.ControlBytes, (int)message.Header.ControlLength));
        _segmentSize = control.SegmentSize;
        _marks = PackedMarks.ToMarks(control.TypeOfService, control.TimeToLive);
        _path = control.LocalAddress == DatagramAddress.Unspecified
            ? new DatagramPath(remote, _local)
            : new DatagramPath(remote, control.LocalAddress.WithPort(_local.Port), control.InterfaceIndex);
    }

    private void Reset()
    {
        for (var i = 0; i < _count; i++)
        {
            ref var header = ref _messages[i].Header;
            header.NameLength = header.Name == null ? 0 : (uint)DatagramAddressBytes.Longest;
            header.ControlLength = (nuint)_controlLength;
        }

        _count = 0;
        _next = 0;
        _offset = 0;
    }

    private static int StrideOf(int bufferLength) =>
        bufferLength < Page / 2
            ? ((bufferLength + CacheLine - 1) / CacheLine * CacheLine) | CacheLine
            : ((bufferLength + Page - 1) / Page * Page) + Stagger;
}

/// <summary>What is received, and what is known of it without asking.</summary>
/// <param name="Messages">How many with each call.</param>
/// <param name="LongestDatagram">Longer ones are dropped.</param>
/// <param name="IsCoalesced">Whether several may come as one.</param>
/// <param name="HasControl">Whether anything is said with them.</param>
/// <param name="Peer">Of a connected socket; otherwise unspecified.</param>
/// <param name="Local">The address that the socket is bound to; unspecified, with the port, if it is every one.</param>
internal readonly record struct ReceiveShape(
    int Messages, int LongestDatagram, bool IsCoalesced, bool HasControl, DatagramAddress Peer, DatagramAddress Local);

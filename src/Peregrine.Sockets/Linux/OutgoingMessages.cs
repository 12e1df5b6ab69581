using Peregrine.Sockets.Datagrams;

namespace Peregrine.Sockets.Linux;

/// <summary>What sendmmsg(2) sends from: headers, addresses and ancillary data in pinned memory; the payloads are those of the queue.</summary>
internal sealed unsafe class OutgoingMessages
{
    private readonly DatagramCalls.ManyMessages _send;
    private readonly DatagramCalls.Message[] _messages;
    private readonly SocketCalls.IoVector[] _vectors;
    private readonly byte[] _names;
    private readonly byte[] _control;
    private readonly bool _isIPv6;
    private readonly DatagramAddress _peer;
    private readonly DatagramAddress _local;

    /// <param name="send">The system call.</param>
    /// <param name="count">How many messages with each.</param>
    /// <param name="isIPv6">Whether the socket is of IPv6.</param>
    /// <param name="peer">Of a connected socket; otherwise unspecified.</param>
    /// <param name="local">The address that the socket is bound to, which need not be said.</param>
    public OutgoingMessages(DatagramCalls.ManyMessages send, int count, bool isIPv6, DatagramAddress peer, DatagramAddress local)
    {
        _send = send;
        _isIPv6 = isIPv6;
        _peer = peer;
        _local = local;
        _messages = GC.AllocateArray<DatagramCalls.Message>(count, pinned: true);
        _vectors = GC.AllocateArray<SocketCalls.IoVector>(count, pinned: true);
        _names = GC.AllocateArray<byte>(count * DatagramAddressBytes.Longest, pinned: true);
        _control = GC.AllocateArray<byte>(count * ControlMessages.SentLength, pinned: true);
        for (var i = 0; i < count; i++)
        {
            ref var header = ref _messages[i].Header;
            header.Vectors = Pinned.Address(_vectors, i);
            header.VectorCount = 1;
        }
    }

    public int Capacity => _messages.Length;

    /// <param name="index">Which of the messages.</param>
    /// <param name="payload">In pinned memory.</param>
    /// <param name="entry">Where it goes.</param>
    /// <param name="isSegmented">Whether it is several datagrams.</param>
    public void Prepare(int index, Span<byte> payload, in SendEntry entry, bool isSegmented)
    {
        ref var vector = ref _vectors[index];
        vector.Bytes = System.Runtime.CompilerServices.Unsafe.AsPointer(ref System.Runtime.InteropServices.MemoryMarshal.GetReference(payload));
        vector.Length = (nuint)payload.Length;
        ref var header = ref _messages[index].Header;
        ref readonly var path = ref entry.Path;
        var remote = path.RemoteAddress;
        if (remote == DatagramAddress.Unspecified || remote == _peer)
        {
            header.Name = null;
            header.NameLength = 0;
            remote = _peer;
        }
        else
        {
            var offset = index * DatagramAddressBytes.Longest;
            header.Name = Pinned.Address(_names, offset);
            header.NameLength = (uint)DatagramAddressBytes.Write(_names.AsSpan(offset, DatagramAddressBytes.Longest), remote, _isIPv6);
        }

        var start = index * ControlMessages.SentLength;
        var length = WriteControl(_control.AsSpan(start, ControlMessages.SentLength), entry, remote.IsIPv4, isSegmented);
        header.ControlBytes = length > 0 ? Pinned.Address(_control, start) : null;
        header.ControlLength = (nuint)length;
    }

    /// <returns>How many were sent; negative, it is an errno.</returns>
    public int Send(int descriptor, int count) => _send(descriptor, Pinned.Address(_messages, 0), count);

    private int WriteControl(Span<byte> control, in SendEntry entry, bool isIPv4, bool isSegmented)
    {
        var length = 0;
        var source = entry.Path.LocalAddress;
        if (source.WithPort(_local.Port) == _local || !IsSource(source, isIPv4))
        {
            source = DatagramAddress.Unspecified;
        }

        // With an address of this side, the routes say by which interface: it came by another, perhaps, and that is no way back.
        var interfaceIndex = source == DatagramAddress.Unspecified || source.ScopeId != 0 ? entry.Path.InterfaceIndex : 0;
        if (source != DatagramAddress.Unspecified || interfaceIndex != 0)
        {
            length += ControlMessages.WriteSource(control, source, interfaceIndex, isIPv4);
        }

        if (entry.Marks.TypeOfService >= 0)
        {
            length += ControlMessages.WriteTypeOfService(control[length..], entry.Marks.TypeOfService, isIPv4);
        }

        if (entry.Marks.TimeToLive >= 0)
        {
            length += ControlMessages.WriteTimeToLive(control[length..], entry.Marks.TimeToLive, isIPv4);
        }

        return isSegmented ? length + ControlMessages.WriteSegmentSize(control[length..], entry.SegmentSize) : length;
    }

    /// <summary>A group is nobody's own address; and one of the other family is none for this peer.</summary>
    private static bool IsSource(in DatagramAddress address, bool isIPv4) =>
        !address.IsUnspecified && address.IsIPv4 == isIPv4 && (isIPv4 ? address.IPv4Bits >> 28 != 0xE : address.UpperBits >> 56 != 0xFF);
}

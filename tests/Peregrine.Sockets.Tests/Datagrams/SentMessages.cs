using System.Collections.Concurrent;
using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Tests.Datagrams;

/// <summary>Looks at what is given to sendmmsg, and refuses some of it.</summary>
internal sealed unsafe class SentMessages
{
    private const int SegmentType = 103; // UDP_SEGMENT

    private int _refused;

    public SentMessages()
    {
        Calls = new DatagramCalls(DatagramCalls.System.Receive, Send);
    }

    public DatagramCalls Calls { get; }

    /// <summary>Of the messages that were sent.</summary>
    public ConcurrentQueue<int> Lengths { get; } = new();

    /// <summary>How messages of several datagrams are refused, if they are.</summary>
    public int RefuseSegmented { get; init; }

    /// <summary>Only those of longer datagrams.</summary>
    public int RefuseAbove { get; init; }

    public int Refused => _refused;

    /// <summary>Asked for each call; not zero, it is the errno.</summary>
    public Func<int>? Fail { get; set; }

    private int Send(int descriptor, DatagramCalls.Message* messages, int count)
    {
        if (count == 0)
        {
            return 0;
        }

        if (Fail?.Invoke() is > 0 and var errno)
        {
            return -errno;
        }

        for (var i = 0; i < count; i++)
        {
            if (RefuseSegmented > 0 && SegmentSize(messages[i].Header) > RefuseAbove)
            {
                if (i > 0)
                {
                    count = i;
                    break;
                }

                Interlocked.Increment(ref _refused);
                return -RefuseSegmented;
            }
        }

        var sent = DatagramCalls.System.Send(descriptor, messages, count);
        for (var i = 0; i < sent; i++)
        {
            Lengths.Enqueue((int)messages[i].Header.Vectors->Length);
        }

        return sent;
    }

    private static int SegmentSize(in SocketCalls.MessageHeader header)
    {
        var control = new ReadOnlySpan<byte>(header.ControlBytes, (int)header.ControlLength);
        while (control.Length >= 16)
        {
            var length = (int)BitConverter.ToInt64(control);
            if (BitConverter.ToInt32(control[12..]) == SegmentType)
            {
                return BitConverter.ToUInt16(control[16..]);
            }

            control = control[Math.Min((length + 7) & ~7, control.Length)..];
        }

        return 0;
    }
}

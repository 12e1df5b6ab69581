using System.Buffers;
using Peregrine.Protocols.Stomp;

namespace Peregrine.Protocols;

/// <summary>
/// Frames of STOMP 1.2, of clients and of servers. Ends of lines between frames, which are the other side's heart-beats, are no frames: they are let go, and count as
/// what they are, received bytes, for whoever watches that a peer is alive.
/// </summary>
/// <remarks>
/// <para>It keeps how far it has come in a frame that is not complete: one serves one connection.</para>
/// <para>
/// What it throws is for an ERROR frame, and the end of the connection: no frame behind a broken one can be trusted. A colon in a header's value is accepted as it is,
/// as senders of STOMP 1.0 write it.
/// </para>
/// </remarks>
public sealed class StompReader : IMessageReader<StompFrame>
{
    private readonly StompLimits _limits;
    private FrameScan _unfinished;

    /// <param name="options">Read once. Null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public StompReader(StompOptions? options = null) => _limits = new StompLimits(options ?? new StompOptions());

    /// <inheritdoc/>
    public int MaxMessageSizeInBytes => _limits.MaxFrame;

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out StompFrame message)
    {
        message = default;
        var scan = _unfinished;
        if (input.GetOffset(examined) == input.GetOffset(input.Start))
        {
            // The beginning of a frame, whatever became of the one before.
            scan = default;
            var frame = WithoutHeartBeats(input);
            if (frame.Length < input.Length)
            {
                consumed = examined = frame.Start;
                return false;
            }

            if (input.Length == 1 && input.FirstByte() == '\r')
            {
                return false;
            }
        }

        if ((scan.BodyStart == 0 && !TryReadHead(input, ref scan)) || !TryFindEnd(input, ref scan, out var end))
        {
            _limits.CheckFrame(input.Length);
            _unfinished = scan;
            examined = input.End;
            return false;
        }

        message = new StompFrame(input, scan, end - scan.BodyStart);
        consumed = input.GetPosition(end + 1);
        return true;
    }

    private static ReadOnlySequence<byte> WithoutHeartBeats(in ReadOnlySequence<byte> input)
    {
        if (input.FirstSpan is [> (byte)'\r', ..])
        {
            return input;
        }

        var reader = new SequenceReader<byte>(input);
        do
        {
            reader.AdvancePast((byte)'\n');
        }
        while (reader.IsNext("\r\n"u8, advancePast: true));
        return input.Slice(reader.Position);
    }

    private bool TryReadHead(in ReadOnlySequence<byte> frame, ref FrameScan scan)
    {
        var first = frame.FirstSpan;
        while (scan.BodyStart == 0)
        {
            var length = scan.Looked < first.Length ? first[scan.Looked..].IndexOf((byte)'\n') : -1;
            if (length >= 0)
            {
                scan.TakeLine(first[scan.LineStart..(scan.Looked + length)], _limits);
            }
            else if (frame.IsSingleSegment || !TryTakeLine(frame, ref scan))
            {
                CheckUnfinishedLine(frame, ref scan);
                return false;
            }
        }

        if (scan.HasContentLength)
        {
            _limits.CheckBody(scan.ContentLength);
            _limits.CheckFrame(scan.BodyStart + scan.ContentLength + 1);
        }

        return true;
    }

    /// <summary>One that is not in the first segment. It is put together if it is in several.</summary>
    private bool TryTakeLine(in ReadOnlySequence<byte> frame, ref FrameScan scan)
    {
        if (frame.Slice(scan.Looked).PositionOf((byte)'\n') is not { } end)
        {
            return false;
        }

        var line = frame.Slice(frame.GetPosition(scan.LineStart), end);
        if (line.IsSingleSegment)
        {
            scan.TakeLine(line.FirstSpan, _limits);
            return true;
        }

        // With its carriage return; nothing is rented for more.
        _limits.CheckLine(line.Length - 1);
        var copy = ArrayPool<byte>.Shared.Rent((int)line.Length);
        try
        {
            line.CopyTo(copy);
            scan.TakeLine(copy.AsSpan(0, (int)line.Length), _limits);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(copy);
        }

        return true;
    }

    private void CheckUnfinishedLine(in ReadOnlySequence<byte> frame, ref FrameScan scan)
    {
        _limits.CheckFrame(frame.Length);
        scan.Looked = (int)frame.Length;
        var size = scan.Looked - scan.LineStart;
        if (size > 0)
        {
            _limits.CheckLine(frame.LastByte() == '\r' ? size - 1 : size);
        }
    }

    /// <summary>Finds the NUL behind the body.</summary>
    private bool TryFindEnd(in ReadOnlySequence<byte> frame, ref FrameScan scan, out int end)
    {
        if (scan.HasContentLength)
        {
            end = scan.BodyStart + (int)scan.ContentLength;
            if (frame.Length <= end)
            {
                return false;
            }

            return frame.Slice(end, 1).FirstByte() == 0
                ? true
                : throw new MessageFormatException("A body does not end with a NUL where its content-length says.");
        }

        var rest = frame.Slice(scan.Looked);
        var nul = rest.FirstSpan.IndexOf((byte)0);
        if (nul < 0 && !rest.IsSingleSegment && rest.PositionOf((byte)0) is { } position)
        {
            nul = (int)rest.Slice(0, position).Length;
        }

        end = nul < 0 ? (int)Math.Min(frame.Length, int.MaxValue) : scan.Looked + nul;
        _limits.CheckBody(end - scan.BodyStart);
        _limits.CheckFrame(end + 1L);
        scan.Looked = end;
        return nul >= 0;
    }
}

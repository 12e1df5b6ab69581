using System.Buffers;
using Peregrine.Protocols.Resp;

namespace Peregrine.Protocols;

/// <summary>
/// Values of RESP2 and RESP3, as a server sends them: each with all that is in it, and with the attributes in front of it. Pushes are values like others
/// (<see cref="RespType.Push"/>), which answer nothing.
/// </summary>
/// <remarks>
/// <para>It has state: one serves one connection. Of a value that comes in small parts, each part is looked at once. Nothing is allocated for a value.</para>
/// <para>
/// Strings and aggregates without a length (<c>$?</c>, <c>*?</c>), of which RESP3's document speaks and which no server sends, are refused. Lines end with CR and LF.
/// </para>
/// </remarks>
public sealed class RespValueReader : IMessageReader<RespValue>
{
    private readonly RespLimits _limits;

    // Of the value that is being read: the aggregates that are not complete, where the next token begins, and what is known of it.
    private readonly Level[] _levels;
    private int _depth;
    private long _at;
    private long _needed;
    private bool _isInLine;

    /// <inheritdoc cref="RespCommandReader(RespOptions?)"/>
    public RespValueReader(RespOptions? options = null)
    {
        _limits = new RespLimits(options ?? new RespOptions());
        _levels = new Level[_limits.Depth];
    }

    /// <inheritdoc/>
    public int MaxMessageSizeInBytes => _limits.MessageSize;

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out RespValue message)
    {
        message = default;
        if (examined.Equals(input.Start))
        {
            StartOver();
        }
        else if (input.Length < _needed || (_isInLine && !MayEndLine(input, examined)))
        {
            examined = input.End;
            return false;
        }

        try
        {
            if (!TryReadRest(input))
            {
                examined = input.End;
                return false;
            }
        }
        catch
        {
            // Whoever asks again is told again.
            StartOver();
            throw;
        }

        consumed = input.GetPosition(_at);
        var value = input.Slice(0, consumed);
        message = RespValue.Take(ref value);
        StartOver();
        return true;
    }

    private bool MayEndLine(in ReadOnlySequence<byte> input, SequencePosition examined) =>
        input.Length - _at > Math.Min(_limits.LineLength, _limits.MessageSize) || input.Slice(examined).PositionOf((byte)'\n') is not null;

    private bool TryReadRest(in ReadOnlySequence<byte> input)
    {
        var reader = new SequenceReader<byte>(input.Slice(_at));
        var begin = _at;
        var isWhole = false;
        while (!isWhole)
        {
            if (!RespToken.TryRead(ref reader, _limits, out var token, out var missing))
            {
                _needed = input.Length + missing;
                _isInLine = missing == 0 && input.Length - _at > RespToken.LongestDouble + 2;
                ThrowIfTooLarge(_needed);
                return false;
            }

            _at = begin + reader.Consumed;
            isWhole = token.IsAggregate ? BeginAggregate(token) : EndValue();
        }

        ThrowIfTooLarge(_at);
        return true;
    }

    /// <summary>True if the value is complete with it.</summary>
    private bool BeginAggregate(RespToken token)
    {
        if (_depth == _levels.Length)
        {
            throw RespErrors.TooDeep(_levels.Length);
        }

        ThrowIfTooLarge(_at + (RespToken.Smallest * token.Elements));
        var isAttribute = token.Type == RespType.Attribute;
        if (token.Elements > 0)
        {
            _levels[_depth++] = new Level(token.Elements, isAttribute);
            return false;
        }

        return !isAttribute && EndValue();
    }

    /// <summary>One value more is complete, and perhaps the aggregates that it is the last of. True if nothing is left.</summary>
    private bool EndValue()
    {
        while (_depth > 0)
        {
            ref var level = ref _levels[_depth - 1];
            level.Left--;
            if (level.Left > 0)
            {
                return false;
            }

            _depth--;
            if (level.IsAttribute)
            {
                // The value that it is about follows.
                return false;
            }
        }

        return true;
    }

    private void ThrowIfTooLarge(long size)
    {
        if (size > _limits.MessageSize)
        {
            throw RespErrors.MessageTooLarge(_limits.MessageSize);
        }
    }

    private void StartOver()
    {
        _depth = 0;
        _at = 0;
        _needed = 0;
        _isInLine = false;
    }

    private record struct Level(long Left, bool IsAttribute);
}

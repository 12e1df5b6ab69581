using System.Buffers;
using System.Text.Json;
using Peregrine.Protocols.Json;

namespace Peregrine.Protocols;

/// <summary>
/// JSON values (RFC 8259) one behind the other, with white space between them, record separators (RFC 7464), or nothing. A message is a view over a value, which is
/// checked against the grammar; for objects of .NET, see <see cref="JsonMessageReader{TMessage}"/>.
/// </summary>
/// <remarks>
/// <para>
/// An object, an array and a string are there with their last byte. A number, <c>true</c>, <c>false</c> and <c>null</c> are there with a byte behind them, or at the end
/// of the input: a peer that waits for an answer sends a line feed.
/// </para>
/// <para>
/// What is no JSON is refused, and is not skippable, because it is not known where it ends; but for a value that a record separator cuts off, behind which reading goes on.
/// </para>
/// <para>It keeps how far the value has come that is not complete, and serves one connection.</para>
/// </remarks>
public sealed class JsonValueReader : IMessageReader<ReadOnlySequence<byte>>
{
    private static readonly SearchValues<byte> s_between = SearchValues.Create(" \t\r\n\u001E"u8);

    private readonly JsonSyntax _syntax;
    private JsonScan _scan;

    /// <param name="options">Read once. Null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public JsonValueReader(JsonValueOptions? options = null) => _syntax = new JsonSyntax(options ?? new JsonValueOptions());

    /// <inheritdoc/>
    public int MaxMessageSizeInBytes => _syntax.MaxSize;

    /// <inheritdoc/>
    public bool TryParse(
        scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out ReadOnlySequence<byte> message)
    {
        message = default;
        var start = input.Start;
        var scan = _scan;
        if (examined.Equals(start))
        {
            if (!TryFindValue(input, out start, out var first))
            {
                consumed = examined = input.End;
                return false;
            }

            if (input.GetOffset(start) != input.GetOffset(input.Start))
            {
                // Asked again, it begins with the value.
                consumed = examined = start;
                return false;
            }

            if (!JsonScan.TryBegin(first, out scan))
            {
                throw new MessageFormatException($"No JSON value begins with the byte 0x{first:X2}.");
            }
        }

        var next = examined;
        for (var current = next; input.TryGet(ref next, out var segment); current = next)
        {
            // What is kept is changed where the value goes on only: who reads again what is refused is told the same.
            var result = scan.Continue(segment.Span, _syntax.MaxDepth, out var length);
            if (result == JsonScanResult.Incomplete)
            {
                continue;
            }

            var end = input.GetPosition(length, current);
            if (result == JsonScanResult.CutOff)
            {
                consumed = end;
                throw new MessageFormatException("A JSON value was cut off: a record separator is where it is not complete.");
            }

            var value = input.Slice(start, end);
            if (_syntax.FaultOf(value) is { } fault)
            {
                throw NoJson(fault);
            }

            message = value;
            consumed = end;
            return true;
        }

        _scan = scan;
        examined = input.End;
        return false;
    }

    /// <inheritdoc/>
    public bool TryParseLast(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, out ReadOnlySequence<byte> message)
    {
        // Half of a word is truncated, as half of an object is.
        var isValue = _scan.IsScalar && _syntax.FaultOf(input) is null;
        message = isValue ? input : default;
        consumed = isValue ? input.End : consumed;
        return isValue;
    }

    internal static MessageFormatException NoJson(JsonException fault) => new("The bytes are no JSON value.", fault);

    private static bool TryFindValue(in ReadOnlySequence<byte> input, out SequencePosition start, out byte first)
    {
        var next = input.Start;
        for (start = next; input.TryGet(ref next, out var segment); start = next)
        {
            var index = segment.Span.IndexOfAnyExcept(s_between);
            if (index >= 0)
            {
                first = segment.Span[index];
                start = input.GetPosition(index, start);
                return true;
            }
        }

        first = 0;
        return false;
    }

}

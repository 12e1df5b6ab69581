using System.Buffers;

namespace Peregrine.Protocols.Json;

/// <summary>
/// How far a value has come. It knows where a value ends, and not whether it is one: strings and brackets are all that is looked at, so that most bytes are passed over
/// by the vector, and a string of any length can go on where the last bytes of it ended.
/// </summary>
internal struct JsonScan
{
    private static readonly SearchValues<byte> s_brackets = SearchValues.Create("\"{}[]\u001E"u8);
    private static readonly SearchValues<byte> s_endOfScalar = SearchValues.Create(" \t\r\n\u001E\"{}[],:"u8);

    private Place _place;
    private int _depth;

    private enum Place : byte
    {
        Brackets,
        String,
        Escape,
        Scalar,
    }

    /// <summary>The value is a number or a word, which ends with what is behind it, or with the input.</summary>
    public readonly bool IsScalar => _place == Place.Scalar;

    /// <summary>A value begins.</summary>
    /// <param name="first">Its first byte.</param>
    /// <param name="scan">To go on with, from this byte.</param>
    /// <returns>False if none begins so.</returns>
    public static bool TryBegin(byte first, out JsonScan scan)
    {
        scan = first is (byte)'"' or (byte)'{' or (byte)'[' ? default : new JsonScan { _place = Place.Scalar };
        return !scan.IsScalar || first is (byte)'-' or (>= (byte)'0' and <= (byte)'9') or (byte)'t' or (byte)'f' or (byte)'n';
    }

    /// <summary>Goes on.</summary>
    /// <param name="bytes">What follows.</param>
    /// <param name="maxDepth">How deep a value may be.</param>
    /// <param name="length">How many of the bytes belong to the value.</param>
    /// <exception cref="MessageFormatException">It is deeper.</exception>
    public JsonScanResult Continue(ReadOnlySpan<byte> bytes, int maxDepth, out int length)
    {
        for (length = 0; length < bytes.Length;)
        {
            var rest = bytes[length..];
            var index = _place switch
            {
                Place.Brackets => rest.IndexOfAny(s_brackets),
                Place.String => rest.IndexOfAny((byte)'"', (byte)'\\', JsonSyntax.RecordSeparator),
                Place.Escape => 0,
                _ => rest.IndexOfAny(s_endOfScalar),
            };
            if (index < 0)
            {
                break;
            }

            length += index;
            var found = rest[index];
            if (found == JsonSyntax.RecordSeparator)
            {
                return JsonScanResult.CutOff;
            }

            if (_place == Place.Scalar)
            {
                return JsonScanResult.Complete;
            }

            length++;
            if (TakeIsLast(found, maxDepth))
            {
                return JsonScanResult.Complete;
            }
        }

        length = bytes.Length;
        return JsonScanResult.Incomplete;
    }

    private bool TakeIsLast(byte found, int maxDepth)
    {
        switch (_place, found)
        {
            case (Place.Escape, _):
                _place = Place.String;
                return false;
            case (Place.String, (byte)'\\'):
                _place = Place.Escape;
                return false;
            case (Place.String, _):
                _place = Place.Brackets;
                return _depth == 0;
            case (_, (byte)'"'):
                _place = Place.String;
                return false;
            case (_, (byte)'{' or (byte)'['):
                return ++_depth > maxDepth ? throw new MessageFormatException($"A value is deeper than MaxDepth ({maxDepth}).") : false;
            default:
                return --_depth == 0;
        }
    }
}

internal enum JsonScanResult
{
    Incomplete,
    Complete,

    /// <summary>A record separator is in the middle of it (RFC 7464 §2.3), or right behind a number (§2.4), which may be half of it.</summary>
    CutOff,
}

using System.Buffers;

namespace Peregrine.Protocols.Delimiters;

/// <summary>A place where a delimiter begins, or may begin.</summary>
/// <param name="Index">The place; -1 if there is none.</param>
/// <param name="Length">How long the delimiter is. 0 if that is not known: the bytes end before.</param>
internal readonly record struct Occurrence(int Index, int Length)
{
    public static Occurrence None => new(-1, 0);
}

/// <summary>The options of delimiters, checked, and the search for them.</summary>
/// <remarks>It is linear in the bytes, times the length of the delimiters at worst.</remarks>
internal sealed class DelimiterSet
{
    public const int LongestInBytes = 256;

    // The longest first: where several match at one place, it is theirs.
    private readonly byte[][] _delimiters;
    private readonly SearchValues<byte> _firstBytes;

    public DelimiterSet(DelimiterOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Delimiters.Count == 0 || options.Delimiters.Any(delimiter => delimiter.Length is 0 or > LongestInBytes))
        {
            throw new ArgumentOutOfRangeException(nameof(options), $"Delimiters has at least one, each of 1 to {LongestInBytes} bytes.");
        }

        Written = options.Delimiters[0].ToArray();
        _delimiters = [.. options.Delimiters.Select(delimiter => delimiter.ToArray()).OrderByDescending(delimiter => delimiter.Length)];
        _firstBytes = SearchValues.Create([.. _delimiters.Select(delimiter => delimiter[0])]);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(options.MaxMessageSizeInBytes, Longest, nameof(options.MaxMessageSizeInBytes));
        MaxSize = options.MaxMessageSizeInBytes;
        KeepsDelimiter = options.KeepsDelimiter;
        EndOfInputEndsMessage = options.EndOfInputEndsMessage;
    }

    public byte[] Written { get; }

    public int Longest => _delimiters[0].Length;

    public int Shortest => _delimiters[^1].Length;

    public int MaxSize { get; }

    public bool KeepsDelimiter { get; }

    public bool EndOfInputEndsMessage { get; }

    /// <summary>The first place where a delimiter begins, or may.</summary>
    public Occurrence Find(ReadOnlySpan<byte> bytes) =>
        _delimiters.Length > 1 ? FindAny(bytes)
            : _delimiters[0].Length > 1 ? FindOne(bytes, _delimiters[0])
            : new Occurrence(bytes.IndexOf(_delimiters[0][0]), 1);

    /// <summary>What begins at the first byte.</summary>
    /// <param name="bytes">At least one.</param>
    /// <param name="isAll">No bytes will follow: what is cut off by the end is not there.</param>
    public Occurrence FindAtStart(ReadOnlySpan<byte> bytes, bool isAll = false)
    {
        foreach (var delimiter in _delimiters)
        {
            if (bytes.StartsWith(delimiter))
            {
                return new Occurrence(0, delimiter.Length);
            }

            if (!isAll && bytes.Length < delimiter.Length && delimiter.AsSpan().StartsWith(bytes))
            {
                return new Occurrence(0, 0);
            }
        }

        return Occurrence.None;
    }

    private static Occurrence FindOne(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> delimiter)
    {
        var index = bytes.IndexOf(delimiter);
        if (index >= 0)
        {
            return new Occurrence(index, delimiter.Length);
        }

        for (index = Math.Max(0, bytes.Length - delimiter.Length + 1); index < bytes.Length; index++)
        {
            if (delimiter.StartsWith(bytes[index..]))
            {
                return new Occurrence(index, 0);
            }
        }

        return Occurrence.None;
    }

    private Occurrence FindAny(ReadOnlySpan<byte> bytes)
    {
        for (var from = 0; bytes[from..].IndexOfAny(_firstBytes) is var index and >= 0; from += index + 1)
        {
            if (FindAtStart(bytes[(from + index)..]) is { Index: 0, Length: var length })
            {
                return new Occurrence(from + index, length);
            }
        }

        return Occurrence.None;
    }
}

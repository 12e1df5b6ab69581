using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Peregrine.Protocols;

namespace Resp;

/// <summary>Keys, values, names of channels: strings of any bytes, compared and written as they are.</summary>
internal static class ByteStrings
{
    /// <summary>Byte by byte. A dictionary finds a key by what was received, without an array for it.</summary>
    public static readonly IEqualityComparer<byte[]> Comparer = new Exact();

    /// <summary>Of letters in ASCII, large and small ones are the same: for names of commands.</summary>
    public static readonly IEqualityComparer<byte[]> NameComparer = new IgnoringCase();

    /// <summary>Bytes that are messages already.</summary>
    public static readonly IMessageWriter<ReadOnlySpan<byte>> Format = new Written();

    /// <summary>It has a seed for each process: nobody can choose keys that all fall into one place.</summary>
    public static int HashOf(ReadOnlySpan<byte> bytes)
    {
        var hash = default(HashCode);
        hash.AddBytes(bytes);
        return hash.ToHashCode();
    }

    public static bool Is(this ReadOnlySpan<byte> text, ReadOnlySpan<byte> name) => Ascii.EqualsIgnoreCase(text, name);

    public static string ToText(this ReadOnlySpan<byte> text) => Encoding.UTF8.GetString(text);

    public static byte[] OfInteger(long value) => Encoding.ASCII.GetBytes(value.ToString(CultureInfo.InvariantCulture));

    /// <summary>A number as Redis takes it: no plus, no zeros in front, no white space.</summary>
    public static bool TryParseInteger(ReadOnlySpan<byte> text, out long value)
    {
        var isCanonical = text is not ([(byte)'+', ..] or [(byte)'0', _, ..] or [(byte)'-', (byte)'0', ..]);
        return Utf8Parser.TryParse(text, out value, out var read) && read == text.Length && isCanonical;
    }

    private sealed class Exact : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? one, byte[]? other) => one.AsSpan().SequenceEqual(other);

        public bool Equals(ReadOnlySpan<byte> one, byte[] other) => one.SequenceEqual(other);

        public int GetHashCode([DisallowNull] byte[] bytes) => HashOf(bytes);

        public int GetHashCode(ReadOnlySpan<byte> bytes) => HashOf(bytes);

        public byte[] Create(ReadOnlySpan<byte> bytes) => bytes.ToArray();
    }

    private sealed class IgnoringCase : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? one, byte[]? other) => Ascii.EqualsIgnoreCase(one, other);

        public bool Equals(ReadOnlySpan<byte> one, byte[] other) => Ascii.EqualsIgnoreCase(one, other);

        public int GetHashCode([DisallowNull] byte[] name) => GetHashCode(name.AsSpan());

        // The names are ours: nobody adds any.
        public int GetHashCode(ReadOnlySpan<byte> name)
        {
            var hash = 0;
            foreach (var letter in name)
            {
                hash = (31 * hash) + (letter | 0x20);
            }

            return hash;
        }

        public byte[] Create(ReadOnlySpan<byte> name) => name.ToArray();
    }

    private sealed class Written : IMessageWriter<ReadOnlySpan<byte>>
    {
        public void Write(ReadOnlySpan<byte> message, IBufferWriter<byte> output) => output.Write(message);
    }
}

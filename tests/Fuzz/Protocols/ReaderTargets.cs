using System.Buffers;
using Peregrine.Protocols;

namespace Peregrine.Fuzz.Protocols;

/// <summary>The readers that are fuzzed: a line for each, with whole messages to start from (a character is a byte).</summary>
internal static class ReaderTargets
{
    /// <summary>Small, so that inputs are often above it.</summary>
    private const int Most = 64;

    public static IReadOnlyDictionary<string, ReaderTarget> All { get; } = new SortedDictionary<string, ReaderTarget>(StringComparer.Ordinal)
    {
        ["cobs"] = Of(() => new CobsReader(Most), "\u0003ab\u0002c\0", "\u0001\0", "\u0004abc\0", "\u0001\u0001\u0002a\0"),
        ["fixed-size"] = Of(() => new FixedSizeReader(5), "abcde"),
        ["hdlc"] = Of(() => new HdlcReader(new HdlcOptions { MaxMessageSizeInBytes = Most }), "~ab}^}]c~", "~abc~"),
        ["hdlc-checked"] = Of(
            () => new HdlcReader(new HdlcOptions { ControlCharacterMap = 0x000A_0000, HasFrameCheckSequence = true, MaxMessageSizeInBytes = Most }), "~abc%\u009E~", "~a}^}]}1b}]\"~"),
        ["length-field"] = Of(() => new LengthFieldReader(new LengthFieldOptions { MaxMessageSizeInBytes = Most }), "\0\0\0\u0003abc", "\0\0\0\0"),
        ["length-field-adjusted"] = Of(
            () => new LengthFieldReader(new LengthFieldOptions { Offset = 1, Width = 2, IsLittleEndian = true, Adjustment = -2, MaxMessageSizeInBytes = Most }), "M\u0005\0abc", "M\u0002\0"),
        ["netstring"] = Of(() => new NetstringReader(Most), "3:abc,", "0:,", "12:abcdefghijkl,"),
        ["slip"] = Of(() => new SlipReader(Most), "\u00C0ab\u00DB\u00DC\u00DB\u00DDc\u00C0", "abc\u00C0"),
        ["varint"] = Of(() => new VarintReader(new VarintOptions { MaxMessageSizeInBytes = Most }), "\u0003abc", "\0", "\u0082\0ab"),
        ["varint-64"] = Of(() => new VarintReader(new VarintOptions { Is64Bit = true, MaxMessageSizeInBytes = Most }), "\u0003abc", "\0", "\u0082\u0080\u0080\u0080\u0080\u0080\0ab"),
    };

    /// <summary>A reader whose messages are bytes.</summary>
    private static ReaderTarget<ReadOnlySequence<byte>> Of(Func<IMessageReader<ReadOnlySequence<byte>>> create, params string[] samples) =>
        new(create, message => Convert.ToHexString(message.ToArray()), message => message.Length, samples);

    /// <summary>Any other reader.</summary>
    /// <param name="create">A new one, as for a connection of its own.</param>
    /// <param name="describe">All that a message says.</param>
    /// <param name="samples">Bytes of whole messages.</param>
    private static ReaderTarget<TMessage> Of<TMessage>(Func<IMessageReader<TMessage>> create, Func<TMessage, string> describe, params string[] samples)
        where TMessage : allows ref struct => new(create, describe, _ => 0, samples);
}

using System.Buffers;

namespace Peregrine.Protocols.Json;

/// <summary>
/// The bytes of a message in one piece, rented where they are in several. <see cref="System.Text.Json.Utf8JsonReader"/> takes several, too, and is slower with them, and with a
/// word that is wrong and is cut it ends outside of an array instead of saying so (.NET 10).
/// </summary>
internal readonly ref struct ContiguousBytes
{
    private readonly byte[]? _rented;

    public ContiguousBytes(scoped in ReadOnlySequence<byte> bytes)
    {
        if (bytes.IsSingleSegment)
        {
            Span = bytes.First.Span;
            return;
        }

        var length = checked((int)bytes.Length);
        _rented = ArrayPool<byte>.Shared.Rent(length);
        bytes.CopyTo(_rented);
        Span = _rented.AsSpan(0, length);
    }

    public ReadOnlySpan<byte> Span { get; }

    public void Dispose()
    {
        if (_rented is not null)
        {
            ArrayPool<byte>.Shared.Return(_rented);
        }
    }
}

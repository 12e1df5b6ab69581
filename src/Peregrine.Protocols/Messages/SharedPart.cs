namespace Peregrine.Protocols;

/// <summary>One message of <see cref="SharedBytes"/>, or several that follow each other.</summary>
internal readonly record struct SharedPart(SharedBytes Bytes, int Start, int Length)
{
    public ReadOnlyMemory<byte> Memory => Bytes.Array.AsMemory(Start, Length);

    /// <summary>True if <paramref name="next"/> begins where this ends.</summary>
    public bool IsContinuedBy(in SharedPart next) => next.Bytes == Bytes && next.Start == Start + Length;
}

using System.Buffers;

namespace Peregrine.Protocols;

/// <summary>
/// A message that was encoded once, for many receivers: its bytes are in one pooled array, which goes back when the last one that holds it lets go.
/// </summary>
/// <remarks>
/// Whoever has made it disposes it once; writers hold it for as long as they need it themselves (<see cref="MessageWriter.TryPost"/>). The
/// calls are safe from any thread.
/// </remarks>
public sealed class EncodedMessage : IDisposable
{
    private readonly int _length;
    private byte[]? _array;
    private int _holders = 1;
    private int _isDisposed;

    private EncodedMessage(byte[] array, int length)
    {
        _array = array;
        _length = length;
    }

    /// <summary>Its size on the wire, in bytes.</summary>
    public int Length => _length;

    /// <summary>Its bytes, valid until <see cref="Dispose"/>.</summary>
    public ReadOnlyMemory<byte> Memory => (_array ?? throw new ObjectDisposedException(nameof(EncodedMessage))).AsMemory(0, _length);

    /// <summary>Encodes a message.</summary>
    /// <exception cref="MessageFormatException">The message cannot be written in this format.</exception>
    public static EncodedMessage Create<TMessage>(TMessage message, IMessageWriter<TMessage> format)
        where TMessage : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(format);
        var bytes = MessageWriter.RentScratch();
        try
        {
            format.Write(message, bytes);
            var array = bytes.Detach(out var length);
            return new EncodedMessage(array, length);
        }
        finally
        {
            MessageWriter.ReturnScratch(bytes);
        }
    }

    /// <summary>Lets go of it. The writers that still send it are not disturbed.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            Release();
        }
    }

    /// <summary>So many holders more.</summary>
    /// <exception cref="ObjectDisposedException">Nobody holds it any more.</exception>
    internal void Hold(int count = 1)
    {
        // One that has no holder left stays without: its array may be another message's.
        int holders;
        do
        {
            holders = Volatile.Read(ref _holders);
            ObjectDisposedException.ThrowIf(holders == 0, this);
        }
        while (Interlocked.CompareExchange(ref _holders, holders + count, holders) != holders);
    }

    internal void Release(int count = 1)
    {
        if (count > 0 && Interlocked.Add(ref _holders, -count) == 0)
        {
            var array = Interlocked.Exchange(ref _array, null)!;
            if (array.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(array);
            }
        }
    }
}

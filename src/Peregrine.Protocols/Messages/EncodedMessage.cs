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
    private readonly SharedPart _part;
    private readonly bool _isInRun;

    // Of one that is in a run, when it is needed.
    private SharedBytes? _kept;
    private int _isDisposed;

    private EncodedMessage(SharedPart part, bool isInRun) => (_part, _isInRun) = (part, isInRun);

    /// <summary>Its size on the wire, in bytes.</summary>
    public int Length => _part.Length;

    /// <summary>Its bytes, valid until <see cref="Dispose"/>.</summary>
    public ReadOnlyMemory<byte> Memory => _part.Memory;

    /// <summary>The same, for who holds them.</summary>
    internal ref readonly SharedPart Part => ref _part;

    /// <summary>Encodes a message.</summary>
    /// <exception cref="MessageFormatException">The message cannot be written in this format.</exception>
    public static EncodedMessage Create<TMessage>(TMessage message, IMessageWriter<TMessage> format)
        where TMessage : allows ref struct => Create(message, format, isForOneCall: false);

    /// <param name="message">The message.</param>
    /// <param name="format">How it is written.</param>
    /// <param name="isForOneCall">It is posted by one flow, and disposed then: if it is small, it is in a run (<see cref="MessageRun"/>).</param>
    internal static EncodedMessage Create<TMessage>(TMessage message, IMessageWriter<TMessage> format, bool isForOneCall)
        where TMessage : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(format);
        var bytes = MessageWriter.RentScratch();
        try
        {
            format.Write(message, bytes);
            if (isForOneCall && bytes.OwnLength is > 0 and <= MessageRun.MostInRun)
            {
                return new EncodedMessage(MessageRun.Append(bytes.Own), isInRun: true);
            }

            var array = bytes.Detach(out var length);
            return new EncodedMessage(new SharedPart(new SharedBytes(array), 0, length), isInRun: false);
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
            _part.Bytes.Release();
            _kept?.Release();
        }
    }

    /// <summary>
    /// Its bytes in an array of their own, for who keeps them longer than a moment: a run would be kept for one message of it. For a hold of <see cref="Part"/>, which is let go of. Of one
    /// that is in a run, the flow that posts it calls this.
    /// </summary>
    internal SharedPart Keep()
    {
        if (!_isInRun)
        {
            return _part;
        }

        if (_kept is null)
        {
            _kept = new SharedBytes(ArrayPool<byte>.Shared.Rent(Length));
            Memory.CopyTo(_kept.Array);
        }

        _kept.Hold();
        _part.Bytes.Release();
        return new SharedPart(_kept, 0, Length);
    }
}

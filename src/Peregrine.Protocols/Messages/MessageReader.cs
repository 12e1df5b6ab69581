using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace Peregrine.Protocols;

/// <summary>
/// Reads the messages of one input. What one read of the input has brought is handed out completely before the next system call:
/// <code>
/// while (await reader.WaitToReadAsync())
/// {
///     while (reader.TryRead(out var message))
///     {
///         // A view is valid up to the next WaitToReadAsync.
///     }
/// }
/// </code>
/// <see cref="MessageReaderExtensions"/> has forms for one message at a time and for <c>await foreach</c>.
/// </summary>
/// <remarks>
/// <para>One flow reads. The input is the reader's until <see cref="Release"/>; it is not completed.</para>
/// <para>Nothing is allocated for a message that is a view, or for a wait.</para>
/// </remarks>
public sealed class MessageReader<TMessage>
    where TMessage : allows ref struct
{
    private readonly PipeReader _input;
    private readonly IMessageReader<TMessage> _format;
    private readonly int _maxMessageSize;

    // What was read and not consumed; how far it was examined, counted from its beginning.
    private ReadOnlySequence<byte> _buffer;
    private SequencePosition _examined;
    private long _examinedLength;

    // So much of it the input was told is examined, and it takes none of that back.
    private long _givenBack;
    private State _state = State.NothingRead;
    private bool _inputHasEnded;

    /// <param name="input">Where the bytes are read from.</param>
    /// <param name="format">What finds the messages.</param>
    /// <exception cref="ArgumentOutOfRangeException"><see cref="IMessageReader{TMessage}.MaxMessageSizeInBytes"/> of <paramref name="format"/> is not positive.</exception>
    public MessageReader(PipeReader input, IMessageReader<TMessage> format)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(format);
        _maxMessageSize = format.MaxMessageSizeInBytes;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(_maxMessageSize, $"{nameof(format)}.{nameof(format.MaxMessageSizeInBytes)}");
        _input = input;
        _format = format;
    }

    private enum State : byte
    {
        /// <summary>The input is not in the middle of a read.</summary>
        NothingRead,

        /// <summary>There may be a message in what was read.</summary>
        MayHaveMessage,

        /// <summary>There is none.</summary>
        HasNoMessage,

        Released,
    }

    /// <summary>
    /// Waits until there may be a message for <see cref="TryRead"/>. Does not wait, and calls nothing, if the last <see cref="TryRead"/> found one.
    /// </summary>
    /// <returns>False if the input has ended, behind a whole message.</returns>
    /// <exception cref="OperationCanceledException">The token, or <see cref="PipeReader.CancelPendingRead"/> of the input. Reading can go on.</exception>
    /// <exception cref="MessageTruncatedException">The input has ended in the middle of a message.</exception>
    /// <exception cref="InvalidOperationException">The reader was released.</exception>
    /// <remarks>What reading the input throws passes unchanged, for example after a reset by the peer.</remarks>
    public ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default)
    {
        if (_state == State.MayHaveMessage)
        {
            return new ValueTask<bool>(true);
        }

        _format.ReturnBuffers();
        if (_inputHasEnded)
        {
            return new ValueTask<bool>(EndOfInput());
        }

        GiveBackRest();
        var read = _input.ReadAsync(cancellationToken);
        return read.IsCompletedSuccessfully ? new ValueTask<bool>(Take(read.Result)) : WaitAsync(read);
    }

    /// <summary>Takes the next message of what was read, without a system call.</summary>
    /// <param name="message">The message; a view is valid until the next <see cref="WaitToReadAsync"/> or <see cref="Release"/>.</param>
    /// <returns>False if there is none: <see cref="WaitToReadAsync"/> reads more.</returns>
    /// <exception cref="MessageFormatException">
    /// The bytes are no message, or one that is too large. If <see cref="MessageFormatException.IsSkippable"/>, reading can go on; otherwise every further call says the same.
    /// </exception>
    /// <exception cref="InvalidOperationException">The reader was released.</exception>
    public bool TryRead([MaybeNullWhen(false)] out TMessage message)
    {
        while (_state == State.MayHaveMessage)
        {
            if (TryParse(out message))
            {
                return true;
            }
        }

        ObjectDisposedOrNothing();
        message = default;
        return false;
    }

    /// <summary>Asks the format once. If it has found nothing and has skipped something, there may be a message in what is left.</summary>
    private bool TryParse([MaybeNullWhen(false)] out TMessage message)
    {
        var consumed = _buffer.Start;
        var examined = _examined;
        bool isFound;
        try
        {
            isFound = _format.TryParse(_buffer, ref consumed, ref examined, out message);
            if (!isFound && _inputHasEnded && _buffer.GetOffset(consumed) == _buffer.GetOffset(_buffer.Start))
            {
                isFound = TryParseLast(ref consumed, out message);
            }
        }
        catch (MessageFormatException exception)
        {
            exception.IsSkippable = Consume(consumed) > 0;
            throw;
        }

        var looked = isFound ? 0 : Math.Max(0, _buffer.GetOffset(examined) - _buffer.GetOffset(consumed));
        var size = isFound || !consumed.Equals(_buffer.Start) ? Consume(consumed) : 0;
        if (isFound)
        {
            if (size == 0)
            {
                ThrowTookNothing();
            }

            if (size > _maxMessageSize)
            {
                throw new MessageTooLargeException(size, _maxMessageSize) { IsSkippable = true };
            }

            return isFound;
        }

        _examinedLength = looked;
        if (size > 0)
        {
            _examined = _buffer.GetPosition(looked);
            return false;
        }

        // The bytes are kept, and so is the state: whoever calls again is told again.
        if (_buffer.Length > _maxMessageSize)
        {
            throw new MessageTooLargeException(_buffer.Length, _maxMessageSize);
        }

        _state = State.HasNoMessage;
        return false;
    }

    /// <summary>
    /// Gives the input back: what was not taken as a message is there for whoever reads it next. For a protocol that changes in the
    /// middle of a connection. The reader cannot be used any more.
    /// </summary>
    /// <returns>
    /// How many bytes are left that were received and not taken. Where a peer must not have sent them yet, as before a TLS handshake (STARTTLS), anything but zero
    /// is an attack, and the end.
    /// </returns>
    public long Release()
    {
        var left = 0L;
        if (_state is State.MayHaveMessage or State.HasNoMessage)
        {
            left = _buffer.Length;
            LeaveIn(_buffer);
        }
        else if (_state == State.NothingRead)
        {
            left = _givenBack;
            if (_input.TryRead(out var read))
            {
                left = read.Buffer.Length;
                LeaveIn(read.Buffer);
            }
        }

        _format.ReturnBuffers();
        _buffer = default;
        _examined = default;
        _state = State.Released;
        return left;
    }

    /// <summary>Goes on with another format, from the first byte that was not taken as a message. This reader cannot be used any more.</summary>
    public MessageReader<TOther> SwitchTo<TOther>(IMessageReader<TOther> format)
        where TOther : allows ref struct
    {
        // Before the release: a format that is refused leaves everything as it is.
        var next = new MessageReader<TOther>(_input, format);
        Release();
        return next;
    }

    private bool TryParseLast(scoped ref SequencePosition consumed, [MaybeNullWhen(false)] out TMessage message)
    {
        var rest = _buffer.Slice(consumed);
        message = default;
        return !rest.IsEmpty && _format.TryParseLast(rest, ref consumed, out message);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> WaitAsync(ValueTask<ReadResult> read) => Take(await read.ConfigureAwait(false));

    private bool Take(in ReadResult read)
    {
        if (read.IsCanceled)
        {
            // Nothing new of it is examined: the next read brings it again.
            LeaveIn(read.Buffer);
            throw new OperationCanceledException("The pending read of the input was cancelled.");
        }

        _buffer = read.Buffer;
        _inputHasEnded = read.IsCompleted;
        if (_buffer.IsEmpty)
        {
            _state = State.HasNoMessage;
            return !_inputHasEnded; // An input that has not ended brings bytes.
        }

        _examined = _examinedLength == 0 ? _buffer.Start : _buffer.GetPosition(_examinedLength);
        _state = State.MayHaveMessage;
        return true;
    }

    private bool EndOfInput() => _buffer.IsEmpty ? false : throw new MessageTruncatedException(_buffer.Length);

    /// <summary>What was read and is no message yet stays in the input; it was all looked at, so that reading waits for more.</summary>
    private void GiveBackRest()
    {
        if (_state == State.HasNoMessage)
        {
            _givenBack = _buffer.Length;
            _input.AdvanceTo(_buffer.Start, _buffer.End);
            _buffer = default;
            _examined = default;
            _state = State.NothingRead;
        }
        else
        {
            ObjectDisposedOrNothing();
        }
    }

    /// <summary>How many bytes that were.</summary>
    private long Consume(SequencePosition consumed)
    {
        var before = _buffer.Length;
        _buffer = _buffer.Slice(consumed);
        _examined = _buffer.Start;
        _examinedLength = 0;
        if (_buffer.IsEmpty)
        {
            _state = State.HasNoMessage;
        }

        var size = before - _buffer.Length;
        _givenBack = Math.Max(0, _givenBack - size);
        return size;
    }

    private void LeaveIn(in ReadOnlySequence<byte> buffer) => _input.AdvanceTo(buffer.Start, buffer.GetPosition(Math.Min(_givenBack, buffer.Length)));

    private void ObjectDisposedOrNothing()
    {
        if (_state == State.Released)
        {
            throw new InvalidOperationException("The reader was released: its input is somebody else's.");
        }
    }

    private void ThrowTookNothing() => throw new InvalidOperationException(
        $"{_format.GetType()} has found a message of no bytes, and would for ever: TryParse moves consumed behind the message.");
}

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
    private readonly IFrameFinder? _finder;
    private readonly int _maxMessageSize;

    // What was read, from the first segment that is not wholly consumed.
    private ReadOnlySequence<byte> _buffer;

    // Where in that segment what is not consumed begins, and where the segment's bytes end. A message moves the first as a rule, and not the sequence, whose references cost more.
    private int _index;
    private int _firstEnd;

    // The sequence's parts, where it is made of segments: its constructor is inlined, and its Slice is not.
    private ReadOnlySequenceSegment<byte>? _first;
    private ReadOnlySequenceSegment<byte>? _last;

    // Messages of the first segment from _index on; and whether it is worth while to find more when they are taken.
    private FoundFrames _found;
    private bool _looksAhead;

    // How far what is not consumed was examined, counted from its beginning.
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
        _finder = typeof(TMessage) == typeof(ReadOnlySequence<byte>) ? format as IFrameFinder : null;
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
        WasCancelled = false;
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
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryRead([MaybeNullWhen(false)] out TMessage message)
    {
        if (typeof(TMessage) == typeof(ReadOnlySequence<byte>) && _found.HasOne)
        {
            message = TakeFound();
            return true;
        }

        return TryParse(out message);
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
            var rest = Rest;
            left = rest.Length;
            LeaveIn(rest);
        }
        else if (_state == State.NothingRead)
        {
            left = _givenBack;
            if (_input.TryRead(out var read))
            {
                left = read.Buffer.Length;
                LeaveIn(read.Buffer);
                if (read.IsCanceled)
                {
                    // It is meant for who reads next.
                    _input.CancelPendingRead();
                }
            }
        }

        _format.ReturnBuffers();
        Keep(default);
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

    /// <summary>The last wait has ended by <see cref="PipeReader.CancelPendingRead"/>, and by nothing that the input has thrown.</summary>
    internal bool WasCancelled { get; private set; }

    /// <summary>What was read and not consumed. Only while the input is in the middle of a read.</summary>
    private ReadOnlySequence<byte> Rest => _buffer.Slice(new SequencePosition(_buffer.Start.GetObject(), _index));

    private bool TryParse([MaybeNullWhen(false)] out TMessage message)
    {
        while (_state == State.MayHaveMessage)
        {
            if (_looksAhead && FindAhead())
            {
                message = TakeFound();
                return true;
            }

            // No expression with "?": it would copy the sequence, and wait for its fields to be stored.
            ReadOnlySequence<byte> input;
            if (_first is not null && _last is not null)
            {
                input = new ReadOnlySequence<byte>(_first, _index, _last, _buffer.End.GetInteger());
            }
            else
            {
                input = Rest;
            }

            var consumed = input.Start;
            var examined = _examinedLength == 0 ? consumed : input.GetPosition(_examinedLength);
            bool isFound;
            try
            {
                isFound = _format.TryParse(input, ref consumed, ref examined, out message);
                if (!isFound && _inputHasEnded && input.GetOffset(consumed) == input.GetOffset(input.Start))
                {
                    isFound = _format.TryParseLast(input, ref consumed, out message);
                }
            }
            catch (MessageFormatException exception)
            {
                exception.IsSkippable = Consume(input, consumed) > 0;
                throw;
            }

            if (isFound)
            {
                var size = Consume(input, consumed);
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

            var looked = Math.Max(0, input.GetOffset(examined) - input.GetOffset(consumed));
            var hasSkipped = !consumed.Equals(input.Start) && Consume(input, consumed) > 0;
            _examinedLength = looked;
            if (hasSkipped)
            {
                // There may be a message in what is left.
                continue;
            }

            // The bytes are kept, and so is the state: whoever calls again is told again.
            if (input.Length > _maxMessageSize)
            {
                throw new MessageTooLargeException(input.Length, _maxMessageSize);
            }

            _state = State.HasNoMessage;
        }

        ObjectDisposedOrNothing();
        message = default;
        return false;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> WaitAsync(ValueTask<ReadResult> read) => Take(await read.ConfigureAwait(false));

    /// <summary>The next message of those that were found at once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private TMessage TakeFound()
    {
        var frame = _found.Take();
        var message = new ReadOnlySequence<byte>(_first!, frame.Start, _first!, frame.End);
        _index = frame.Next;

        // It is the same type: frames are found for no other.
        return Unsafe.As<ReadOnlySequence<byte>, TMessage>(ref message);
    }

    /// <summary>Finds the messages behind the last one, in the same segment. They are only found here: what is wrong with one is told when it is parsed.</summary>
    private bool FindAhead()
    {
        // Without the last byte: the message that ends the segment is Consume's, which goes on with the next one.
        _looksAhead = _found.Find(_finder!, _first!.Memory.Span[..(_firstEnd - 1)], _index);
        return _looksAhead;
    }

    private bool Take(in ReadResult read)
    {
        if (read.IsCanceled)
        {
            WasCancelled = true;

            // Nothing new of it is examined: the next read brings it again.
            LeaveIn(read.Buffer);
            throw new OperationCanceledException("The pending read of the input was cancelled.");
        }

        Keep(read.Buffer);
        _inputHasEnded = read.IsCompleted;
        if (_buffer.IsEmpty)
        {
            _state = State.HasNoMessage;
            return !_inputHasEnded; // An input that has not ended brings bytes.
        }

        _state = State.MayHaveMessage;
        return true;
    }

    private bool EndOfInput() => Rest is { IsEmpty: false, Length: var length } ? throw new MessageTruncatedException(length) : false;

    /// <summary>What was read and is no message yet stays in the input; it was all looked at, so that reading waits for more.</summary>
    private void GiveBackRest()
    {
        if (_state == State.HasNoMessage)
        {
            var rest = Rest;
            _givenBack = rest.Length;
            _input.AdvanceTo(rest.Start, rest.End);
            Keep(default);
            _state = State.NothingRead;
        }
        else
        {
            ObjectDisposedOrNothing();
        }
    }

    /// <returns>How many bytes that were.</returns>
    private long Consume(in ReadOnlySequence<byte> input, SequencePosition consumed)
    {
        var start = input.Start;
        var end = consumed.GetInteger();
        long size = end - start.GetInteger();
        if (consumed.GetObject() == start.GetObject() && size >= 0 && end < _firstEnd)
        {
            _index = end;
        }
        else
        {
            var rest = input.Slice(consumed);
            size = input.Length - rest.Length;
            Keep(rest);
            if (rest.IsEmpty)
            {
                _state = State.HasNoMessage;
            }
        }

        _examinedLength = 0;
        _givenBack = Math.Max(0, _givenBack - size);

        // Only behind a message of the same read: one that comes alone is found sooner by itself.
        _looksAhead = _finder is not null && _first is not null && _givenBack == 0 && size <= FoundFrames.LargestSmall;
        return size;
    }

    private void Keep(in ReadOnlySequence<byte> buffer)
    {
        // Where what is consumed ends with its segment, it goes on with the next one that has bytes: a format may look at the first span.
        _buffer = buffer.FirstSpan.IsEmpty ? buffer.Slice(FirstByteOf(buffer)) : buffer;
        _index = _buffer.Start.GetInteger();
        _firstEnd = _index + _buffer.FirstSpan.Length;
        _found.Clear();
        _looksAhead = false;
        _first = _buffer.Start.GetObject() as ReadOnlySequenceSegment<byte>;
        _last = _buffer.End.GetObject() as ReadOnlySequenceSegment<byte>;
    }

    private static SequencePosition FirstByteOf(in ReadOnlySequence<byte> buffer)
    {
        var at = buffer.Start;
        for (var next = at; buffer.TryGet(ref next, out var part) && part.IsEmpty && next.GetObject() is not null;)
        {
            at = next;
        }

        return at;
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

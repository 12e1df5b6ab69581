using Peregrine.Protocols.Registry;

namespace Peregrine.Protocols;

/// <summary>
/// All connections of a <see cref="ConnectionRegistry"/>, those of a group, or those with a key: each use meets those that are in it then. The default value is empty.
/// </summary>
/// <remarks>
/// Every member is safe from any thread. An enumeration takes no lock, and allocates nothing. It meets no connection twice, and none that had left before it began; one that leaves
/// meanwhile it may meet, and one that joins meanwhile it does not.
/// </remarks>
public readonly struct ConnectionSet
{
    private readonly Members? _members;
    private readonly NamedMembers? _named;
    private readonly string? _name;

    internal ConnectionSet(Members members) => _members = members;

    internal ConnectionSet(NamedMembers named, string name) => (_named, _name) = (named, name);

    /// <summary>How many there are now.</summary>
    public int Count => Find()?.Count ?? 0;

    /// <summary>For <c>foreach</c>.</summary>
    public Enumerator GetEnumerator() => Find()?.GetEnumerator() ?? default;

    /// <summary>Sends a message to all that are in the set. It is encoded once, and not at all if nobody is there.</summary>
    /// <param name="message">The message. A view is looked at during the call only.</param>
    /// <param name="format">How it is written.</param>
    /// <param name="slow">What becomes of a receiver that does not read as fast as is posted to it.</param>
    /// <param name="except">Who does not get it, such as the sender; null for nobody.</param>
    /// <param name="cancellationToken">Ends a broadcast between two stretches of receivers. Those who had their turn have the message.</param>
    /// <returns>
    /// When the message has its place in each receiver's <see cref="RegisteredConnection.Writer"/>, behind what was there before: the messages of one flow come in its order, each whole. It
    /// does not wait for the sends, which the thread pool makes, several messages in one where several have come; nor for the peers. Up to 4,096 receivers it is complete when the call
    /// returns; behind each 4,096 it goes on on the thread pool, so that others have their turn.
    /// </returns>
    /// <exception cref="MessageFormatException">The message cannot be written in this format. Nobody has it.</exception>
    /// <exception cref="OperationCanceledException">The token.</exception>
    public ValueTask<BroadcastResult> BroadcastAsync<TMessage>(
        TMessage message, IMessageWriter<TMessage> format, SlowReceiverPolicy slow = SlowReceiverPolicy.Skip, RegisteredConnection? except = null,
        CancellationToken cancellationToken = default)
        where TMessage : allows ref struct
    {
        ArgumentNullException.ThrowIfNull(format);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<BroadcastResult>(cancellationToken);
        }

        var receivers = GetEnumerator();
        return receivers.IsEmpty
            ? default
            : new Broadcast(receivers, EncodedMessage.Create(message, format, isForOneCall: true), slow, except, ownsMessage: true).RunAsync(cancellationToken);
    }

    /// <summary>As the other, with a message that was encoded before: for several sets.</summary>
    /// <param name="message">The message, which stays the caller's to dispose.</param>
    /// <param name="slow">What becomes of a receiver that does not read as fast as is posted to it.</param>
    /// <param name="except">Who does not get it; null for nobody.</param>
    /// <param name="cancellationToken">As there.</param>
    /// <exception cref="OperationCanceledException">The token.</exception>
    /// <exception cref="ObjectDisposedException">The message was disposed.</exception>
    public ValueTask<BroadcastResult> BroadcastAsync(EncodedMessage message, SlowReceiverPolicy slow, RegisteredConnection? except, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<BroadcastResult>(cancellationToken)
            : new Broadcast(GetEnumerator(), message, slow, except, ownsMessage: false).RunAsync(cancellationToken);
    }

    private Members? Find() => _members ?? (_name is null ? null : _named?.Find(_name));

    /// <summary>Enumerates the connections. One flow uses it.</summary>
    public struct Enumerator
    {
        private readonly RegisteredConnection?[]? _slots;
        private readonly int _end;
        private int _next;
        private RegisteredConnection? _current;

        internal Enumerator(RegisteredConnection?[] slots, int end) => (_slots, _end) = (slots, end);

        /// <summary>The connection.</summary>
        /// <exception cref="InvalidOperationException">The enumeration has not begun, or is over.</exception>
        public readonly RegisteredConnection Current => _current ?? throw new InvalidOperationException("The enumeration has not begun, or is over.");

        internal readonly bool IsEmpty => _end == 0;

        /// <summary>More than so many do not follow.</summary>
        internal readonly int Left => _end - _next;

        /// <summary>Goes on to the next one; false if there is none.</summary>
        public bool MoveNext()
        {
            if (_slots is { } slots)
            {
                while (_next < _end)
                {
                    // It may leave now, on another thread.
                    if (Volatile.Read(ref slots[_next++]) is { } connection)
                    {
                        _current = connection;
                        return true;
                    }
                }
            }

            _current = null;
            return false;
        }
    }
}

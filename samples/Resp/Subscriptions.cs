using Peregrine.Protocols;

namespace Resp;

/// <summary>Who is subscribed to what. Every call is safe from any thread.</summary>
internal sealed class Subscriptions
{
    private readonly Lock _lock = new();
    private readonly Dictionary<byte[], Subscribers> _channels = new(ByteStrings.Comparer);
    private readonly Dictionary<byte[], Subscribers> _patterns = new(ByteStrings.Comparer);

    public int ChannelCount
    {
        get
        {
            lock (_lock)
            {
                return _channels.Count;
            }
        }
    }

    public int PatternCount
    {
        get
        {
            lock (_lock)
            {
                return _patterns.Count;
            }
        }
    }

    public void Add(Session session, byte[] name, bool isPattern)
    {
        lock (_lock)
        {
            var names = isPattern ? _patterns : _channels;
            if (!names.TryGetValue(name, out var subscribers))
            {
                names.Add(name, subscribers = new Subscribers());
            }

            subscribers.Add(session);
        }
    }

    public void Remove(Session session, byte[] name, bool isPattern)
    {
        lock (_lock)
        {
            var names = isPattern ? _patterns : _channels;
            if (names.TryGetValue(name, out var subscribers) && subscribers.RemoveIsLast(session))
            {
                names.Remove(name);
            }
        }
    }

    public void RemoveAll(Session session)
    {
        foreach (var channel in session.Channels)
        {
            Remove(session, channel, isPattern: false);
        }

        foreach (var pattern in session.Patterns)
        {
            Remove(session, pattern, isPattern: true);
        }
    }

    /// <summary>Sends a message to all who are subscribed to the channel. It is encoded once for all of a version.</summary>
    /// <returns>How many that are; who is subscribed to the channel and to patterns is counted for each.</returns>
    public int Publish(ReadOnlySpan<byte> channel, ReadOnlySpan<byte> message)
    {
        Session[] subscribers;
        (byte[] Pattern, Session[] Subscribers)[] patterns;
        lock (_lock)
        {
            subscribers = _channels.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(channel, out var found) ? found.All : [];
            patterns = _patterns.Count == 0 ? [] : [.. _patterns.Select(pattern => (pattern.Key, pattern.Value.All))];
        }

        Post(subscribers, new PublishedMessage(channel, message));
        var count = subscribers.Length;
        foreach (var (pattern, all) in patterns)
        {
            if (Glob.IsMatch(pattern, channel))
            {
                Post(all, new PublishedMessage(channel, message) { Pattern = pattern, IsForPattern = true });
                count += all.Length;
            }
        }

        return count;
    }

    private static void Post(Session[] subscribers, PublishedMessage message)
    {
        EncodedMessage? resp2 = null;
        EncodedMessage? resp3 = null;
        foreach (var subscriber in subscribers)
        {
            subscriber.Post(subscriber.Version == RespVersion.Resp2
                ? resp2 ??= EncodedMessage.Create(message, PublishedMessageWriter.Resp2)
                : resp3 ??= EncodedMessage.Create(message, PublishedMessageWriter.Resp3));
        }

        resp2?.Dispose();
        resp3?.Dispose();
    }

    /// <summary>Those of one channel. A message goes over an array that never changes, outside of the lock.</summary>
    private sealed class Subscribers
    {
        private readonly HashSet<Session> _sessions = [];
        private Session[]? _all;

        public Session[] All => _all ??= [.. _sessions];

        public void Add(Session session)
        {
            _sessions.Add(session);
            _all = null;
        }

        public bool RemoveIsLast(Session session)
        {
            _sessions.Remove(session);
            _all = null;
            return _sessions.Count == 0;
        }
    }
}

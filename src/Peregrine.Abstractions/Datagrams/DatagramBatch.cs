namespace Peregrine;

/// <summary>
/// Datagrams that were received together, in the order in which the system had them; never empty when a handler gets it. It and the payloads are valid until the handler's task
/// completes, and are used again then: what is to live longer must be copied.
/// </summary>
/// <remarks>For one flow at a time. A middleware may take datagrams out of it before it calls the next one.</remarks>
public sealed class DatagramBatch
{
    private Datagram[] _datagrams;

    /// <summary>An empty one.</summary>
    /// <param name="capacity">How many datagrams it has room for before it grows.</param>
    public DatagramBatch(int capacity = 64)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        _datagrams = new Datagram[capacity];
    }

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>One of them.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many.</exception>
    public ref readonly Datagram this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
            return ref _datagrams[index];
        }
    }

    /// <summary>All of them. Not to be kept: <see cref="Add"/> may replace what is behind it.</summary>
    public ReadOnlySpan<Datagram> AsSpan() => _datagrams.AsSpan(0, Count);

    /// <summary>For <see langword="foreach"/>, in code that does not await between two of them; over an <see langword="await"/>, count.</summary>
    public ReadOnlySpan<Datagram>.Enumerator GetEnumerator() => AsSpan().GetEnumerator();

    /// <summary>Adds one behind the others.</summary>
    public void Add(in Datagram datagram)
    {
        if (Count == _datagrams.Length)
        {
            Array.Resize(ref _datagrams, Math.Max(4, 2 * Count));
        }

        _datagrams[Count++] = datagram;
    }

    /// <summary>Takes those out that match; the others keep their order.</summary>
    /// <param name="state">Given to <paramref name="match"/>, which need not capture anything then.</param>
    /// <param name="match">Whether a datagram is to be taken out.</param>
    /// <returns>How many were taken out: who does it counts them (<see cref="DatagramCounters.AddDropped"/>).</returns>
    public int RemoveAll<TState>(TState state, DatagramPredicate<TState> match)
    {
        ArgumentNullException.ThrowIfNull(match);
        var kept = 0;
        for (var i = 0; i < Count; i++)
        {
            if (!match(in _datagrams[i], state))
            {
                if (kept != i)
                {
                    _datagrams[kept] = _datagrams[i];
                }

                kept++;
            }
        }

        var removed = Count - kept;
        _datagrams.AsSpan(kept, removed).Clear();
        Count = kept;
        return removed;
    }

    /// <summary>Takes all out. The room stays.</summary>
    public void Clear()
    {
        // What lies behind is kept alive by whoever owns the memory, and is written over at the next batch.
        Count = 0;
    }
}

/// <summary>Whether a datagram matches.</summary>
public delegate bool DatagramPredicate<in TState>(in Datagram datagram, TState state);

namespace Peregrine.Server.Admin;

/// <summary>Which connections to list, and in which order.</summary>
public sealed record ConnectionQuery
{
    /// <summary>The most that one page has.</summary>
    public const int MaxTake = 1000;

    private readonly int _skip;
    private readonly int _take = 100;

    /// <summary>The name of an endpoint, without regard to case. Default null: those of all endpoints.</summary>
    public string? Endpoint { get; init; }

    /// <summary>What comes first. Default <see cref="ConnectionOrder.Age"/>.</summary>
    public ConnectionOrder Order { get; init; }

    /// <summary>How many to leave out at the beginning. Default 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public int Skip
    {
        get => _skip;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _skip = value;
        }
    }

    /// <summary>How many to list at most, from 1 to <see cref="MaxTake"/>. Default 100.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not in this range.</exception>
    public int Take
    {
        get => _take;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, MaxTake);
            _take = value;
        }
    }
}

/// <summary>An order of connections.</summary>
public enum ConnectionOrder
{
    /// <summary>The oldest first.</summary>
    Age = 0,

    /// <summary>First those that have moved the most bytes, received and sent.</summary>
    Bytes,

    /// <summary>First those that are the furthest: closing, then handling, then handshaking; the oldest first of each.</summary>
    Stage,

    /// <summary>The slowest round trip first. It asks the kernel for every connection: two system calls each.</summary>
    RoundTripTime,

    /// <summary>First those that keep the most bytes in buffers.</summary>
    Buffered,

    /// <summary>First those whose peers have done nothing for the longest time.</summary>
    Quiet,
}

/// <summary>A part of the connections.</summary>
/// <param name="Total">How many there are that the query is for.</param>
/// <param name="Connections">Those of the page, in their order.</param>
public sealed record ConnectionPage(int Total, IReadOnlyList<ConnectionSnapshot> Connections);

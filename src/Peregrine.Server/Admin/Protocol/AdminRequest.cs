namespace Peregrine.Server.Admin.Protocol;

/// <summary>A request. What it does not need is null.</summary>
internal sealed record AdminRequest
{
    /// <summary>That of the protocol; null is the server's.</summary>
    public int? Version { get; init; }

    /// <summary>Given back in the response.</summary>
    public long? Id { get; init; }

    /// <summary>What to do: a name of <see cref="AdminProtocol"/>.</summary>
    public string? Request { get; init; }

    /// <summary>The id of a connection.</summary>
    public string? Connection { get; init; }

    /// <summary>The name of an endpoint.</summary>
    public string? Endpoint { get; init; }

    /// <summary>The order of connections: a name of <c>ConnectionOrder</c>.</summary>
    public string? Order { get; init; }

    public int? Skip { get; init; }

    public int? Take { get; init; }

    /// <summary>Values of settings, by their names below the section <c>Peregrine</c>; null is as configured.</summary>
    public IReadOnlyDictionary<string, string?>? Settings { get; init; }
}

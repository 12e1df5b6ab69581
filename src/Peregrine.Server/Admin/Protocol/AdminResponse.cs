namespace Peregrine.Server.Admin.Protocol;

/// <summary>A response: an error, or what was asked for, or neither where something was done.</summary>
internal sealed record AdminResponse
{
    public int Version { get; init; } = AdminProtocol.Version;

    /// <summary>That of the request; null if it could not be read.</summary>
    public long? Id { get; init; }

    public AdminError? Error { get; init; }

    public AdminServer? Server { get; init; }

    public AdminConnections? Connections { get; init; }

    public AdminConnection? Connection { get; init; }
}

/// <param name="Code">A name of <see cref="AdminErrors"/>.</param>
/// <param name="Message">One line.</param>
internal sealed record AdminError(string Code, string Message);

/// <summary>The server.</summary>
internal sealed record AdminServer
{
    public int ProcessId { get; init; }

    /// <summary>A name of <c>ServerState</c>.</summary>
    public string State { get; init; } = "";

    public IReadOnlyList<AdminEndpoint> Endpoints { get; init; } = [];

    /// <summary>Sockets of its ports, by their TCP states; null where the system does not tell.</summary>
    public IReadOnlyDictionary<string, int>? Sockets { get; init; }

    /// <summary>Settings that were changed at run time.</summary>
    public IReadOnlyDictionary<string, string> ChangedSettings { get; init; } = new Dictionary<string, string>();
}

/// <summary>An endpoint, and how many of its connections are how far.</summary>
internal sealed record AdminEndpoint
{
    public string Name { get; init; } = "";

    public string Url { get; init; } = "";

    public IReadOnlyList<string> Addresses { get; init; } = [];

    public bool IsSuspended { get; init; }

    public int Handshaking { get; init; }

    public int Handling { get; init; }

    public int Closing { get; init; }

    /// <summary>Of a datagram endpoint; null for one of connections.</summary>
    public AdminDatagrams? Datagrams { get; init; }
}

/// <summary>What a datagram endpoint has moved since its start.</summary>
/// <param name="Received">From the kernel, those included that were dropped later.</param>
/// <param name="Sent">Taken by the kernel.</param>
/// <param name="Dropped">By the reason; one for which nothing was dropped is not there.</param>
internal sealed record AdminDatagrams(long Received, long Sent, IReadOnlyDictionary<string, long> Dropped);

/// <param name="Total">How many there are, on all pages.</param>
/// <param name="Page">Those of this one.</param>
internal sealed record AdminConnections(int Total, IReadOnlyList<AdminConnection> Page);

/// <summary>A connection. What its transport does not tell is null.</summary>
internal sealed record AdminConnection
{
    public string Id { get; init; } = "";

    public string Endpoint { get; init; } = "";

    public string? Remote { get; init; }

    public string? Local { get; init; }

    public double AgeInSeconds { get; init; }

    public double? QuietInSeconds { get; init; }

    /// <summary>A name of <c>ConnectionStage</c>.</summary>
    public string Stage { get; init; } = "";

    public bool IsCloseRequested { get; init; }

    /// <summary>A name of <c>ConnectionCloseReason</c>, once it is known.</summary>
    public string? CloseReason { get; init; }

    public long? BytesReceived { get; init; }

    public long? BytesSent { get; init; }

    public long? UnreadBytes { get; init; }

    public long? UnsentBytes { get; init; }

    public AdminTcp? Tcp { get; init; }

    public AdminTls? Tls { get; init; }
}

/// <summary>What the kernel knows of a connection (TCP_INFO, tcp(7)).</summary>
internal sealed record AdminTcp
{
    public string State { get; init; } = "";

    public double RoundTripTimeInSeconds { get; init; }

    public double RoundTripTimeVarianceInSeconds { get; init; }

    public long Retransmits { get; init; }

    public long UnacknowledgedBytes { get; init; }

    public long UnsentBytes { get; init; }

    public long DeliveryRateInBytesPerSecond { get; init; }

    public long CongestionWindowInSegments { get; init; }
}

internal sealed record AdminTls(string Protocol, string CipherSuite, string HostName, string ApplicationProtocol);

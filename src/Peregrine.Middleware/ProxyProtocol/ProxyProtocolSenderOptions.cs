using Microsoft.AspNetCore.Connections;

namespace Peregrine.Middleware;

/// <summary>Options of the sender of PROXY protocol headers. They are read when the pipeline is built, and later changes have no effect.</summary>
public sealed class ProxyProtocolSenderOptions
{
    /// <summary>
    /// Makes the header of a connection; called once for each, before anything is sent on it. Default: version 2, with the addresses of the connection itself
    /// (<see cref="ProxyProtocolHeader.ForConnection"/>). What it throws fails the connection.
    /// </summary>
    public Func<ConnectionContext, ProxyProtocolHeader> Header { get; set; } = ProxyProtocolHeader.ForConnection;

    /// <summary>
    /// Let the header wait in the output until the pipeline flushes for the first time, so that it and the first data go out together. Default false: the
    /// header is sent before the pipeline goes on. Only for protocols in which the client speaks first: a server that speaks first waits for the header
    /// (§2), and a client that waits for that server would wait until its timeout.
    /// </summary>
    public bool HoldUntilFirstFlush { get; set; }
}

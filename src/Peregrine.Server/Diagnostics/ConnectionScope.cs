using System.Collections;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Server.Diagnostics;

/// <summary>
/// What every log entry inside a connection's pipeline has. Its texts are made when somebody reads them. It is a part of the connection, and no object of
/// its own that each of them would keep.
/// </summary>
internal abstract class ConnectionScope(ConnectionContext context) : IReadOnlyList<KeyValuePair<string, object?>>
{
    public ConnectionContext Context => context;

    public int Count => 2;

    protected abstract string Endpoint { get; }

    public KeyValuePair<string, object?> this[int index] => index switch
    {
        0 => new("ConnectionId", context.ConnectionId),
        1 => new("Endpoint", Endpoint),
        _ => throw new ArgumentOutOfRangeException(nameof(index)),
    };

    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator()
    {
        yield return this[0];
        yield return this[1];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public override string ToString() => $"ConnectionId:{context.ConnectionId} Endpoint:{Endpoint}";
}

using System.Collections;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Server.Diagnostics;

/// <summary>What every log entry inside a connection's pipeline has. Its texts are made when somebody reads them.</summary>
internal sealed class ConnectionScope(string endpoint, ConnectionContext connection) : IReadOnlyList<KeyValuePair<string, object?>>
{
    public int Count => 2;

    public KeyValuePair<string, object?> this[int index] => index switch
    {
        0 => new("ConnectionId", connection.ConnectionId),
        1 => new("Endpoint", endpoint),
        _ => throw new ArgumentOutOfRangeException(nameof(index)),
    };

    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator()
    {
        yield return this[0];
        yield return this[1];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public override string ToString() => $"ConnectionId:{connection.ConnectionId} Endpoint:{endpoint}";
}

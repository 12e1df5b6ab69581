using System.Collections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Peregrine.Features;

namespace Peregrine.Sockets.Connections;

/// <summary>
/// The features of a connection. The built-in ones are the connection itself, so that a connection whose features nobody sets pays for
/// no table; one that is set or removed replaces the built-in one.
/// </summary>
internal sealed class ConnectionFeatureCollection : IFeatureCollection
{
    private static readonly Type[] BuiltIn =
    [
        typeof(IConnectionIdFeature), typeof(IConnectionTransportFeature), typeof(IConnectionItemsFeature),
        typeof(IConnectionEndPointFeature), typeof(IConnectionLifetimeFeature), typeof(IMemoryPoolFeature),
        typeof(IConnectionSocketFeature), typeof(IConnectionCloseFeature), typeof(IConnectionByteCountFeature),
        typeof(IConnectionSendFileFeature),
    ];

    private readonly StreamConnectionContext _connection;
    private List<KeyValuePair<Type, object?>>? _set;

    public ConnectionFeatureCollection(StreamConnectionContext connection) => _connection = connection;

    public bool IsReadOnly => false;

    public int Revision { get; private set; }

    public object? this[Type key]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(key);
            var index = IndexOf(key);
            return index >= 0 ? _set![index].Value : IsBuiltIn(key) ? _connection : null;
        }

        set
        {
            ArgumentNullException.ThrowIfNull(key);
            Revision++;
            var entry = KeyValuePair.Create(key, value);
            var index = IndexOf(key);
            if (index >= 0)
            {
                _set![index] = entry;
            }
            else
            {
                (_set ??= new(capacity: 1)).Add(entry); // Most often it stays the server's one.
            }
        }
    }

    public TFeature? Get<TFeature>() => (TFeature?)this[typeof(TFeature)];

    public void Set<TFeature>(TFeature? instance) => this[typeof(TFeature)] = instance;

    public IEnumerator<KeyValuePair<Type, object>> GetEnumerator()
    {
        foreach (var (type, value) in _set ?? [])
        {
            if (value is not null)
            {
                yield return KeyValuePair.Create(type, value);
            }
        }

        foreach (var type in BuiltIn)
        {
            if (IndexOf(type) < 0 && IsBuiltIn(type))
            {
                yield return KeyValuePair.Create<Type, object>(type, _connection);
            }
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private bool IsBuiltIn(Type key) =>
        Array.IndexOf(BuiltIn, key) >= 0
        && (key != typeof(IConnectionSocketFeature) || _connection.Socket is not null)
        && (key != typeof(IConnectionSendFileFeature) || !_connection.IsTransportReplaced);

    private int IndexOf(Type key)
    {
        for (var i = 0; i < (_set?.Count ?? 0); i++)
        {
            if (_set![i].Key == key)
            {
                return i;
            }
        }

        return -1;
    }
}

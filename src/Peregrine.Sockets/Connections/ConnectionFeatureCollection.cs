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
        typeof(IConnectionSendFileFeature), typeof(IConnectionHalfCloseFeature), typeof(IConnectionTcpInfoFeature),
        typeof(IConnectionSchedulingFeature),
    ];

    private readonly StreamConnectionContext _connection;
    // What was set. Most often it stays one: the server's.
    private KeyValuePair<Type, object?> _first;
    private List<KeyValuePair<Type, object?>>? _more;

    public ConnectionFeatureCollection(StreamConnectionContext connection) => _connection = connection;

    public bool IsReadOnly => false;

    public int Revision { get; private set; }

    public object? this[Type key]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(key);
            return TryGetSet(key, out var feature) ? feature : IsBuiltIn(key) ? _connection : null;
        }

        set
        {
            ArgumentNullException.ThrowIfNull(key);
            Revision++;
            var entry = KeyValuePair.Create(key, value);
            if (_first.Key is null || _first.Key == key)
            {
                _first = entry;
                return;
            }

            var index = IndexOfMore(key);
            if (index >= 0)
            {
                _more![index] = entry;
            }
            else
            {
                (_more ??= []).Add(entry);
            }
        }
    }

    public TFeature? Get<TFeature>() => (TFeature?)this[typeof(TFeature)];

    public void Set<TFeature>(TFeature? instance) => this[typeof(TFeature)] = instance;

    public IEnumerator<KeyValuePair<Type, object>> GetEnumerator()
    {
        if (_first.Value is not null)
        {
            yield return KeyValuePair.Create(_first.Key, _first.Value);
        }

        foreach (var (type, value) in _more ?? [])
        {
            if (value is not null)
            {
                yield return KeyValuePair.Create(type, value);
            }
        }

        foreach (var type in BuiltIn)
        {
            if (!TryGetSet(type, out _) && IsBuiltIn(type))
            {
                yield return KeyValuePair.Create<Type, object>(type, _connection);
            }
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private bool IsBuiltIn(Type key) =>
        Array.IndexOf(BuiltIn, key) >= 0
        && (key != typeof(IConnectionSocketFeature) || _connection.HasSocket)
        && (key != typeof(IConnectionTcpInfoFeature) || _connection.HasTcpInfo)
        && ((key != typeof(IConnectionSendFileFeature) && key != typeof(IConnectionHalfCloseFeature)) || !_connection.IsTransportReplaced);

    private bool TryGetSet(Type key, out object? feature)
    {
        var index = _first.Key == key ? -1 : IndexOfMore(key);
        feature = index >= 0 ? _more![index].Value : _first.Key == key ? _first.Value : null;
        return index >= 0 || _first.Key == key;
    }

    private int IndexOfMore(Type key)
    {
        for (var i = 0; i < (_more?.Count ?? 0); i++)
        {
            if (_more![i].Key == key)
            {
                return i;
            }
        }

        return -1;
    }
}

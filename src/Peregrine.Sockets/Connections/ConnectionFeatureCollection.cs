using System.Collections;
using System.Runtime.CompilerServices;
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
        typeof(IConnectionBufferFeature),
        typeof(IConnectionSchedulingFeature),
    ];

    private readonly StreamConnectionContext _connection;

    // What was set. Most often it stays at what the server sets, which has its place here: a list would cost every connection four times as much.
    private Few _few;
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
            foreach (ref var few in (Span<KeyValuePair<Type, object?>>)_few)
            {
                if (few.Key is null || few.Key == key)
                {
                    few = entry;
                    return;
                }
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
        foreach (var (type, value) in (KeyValuePair<Type, object?>[])[.. (ReadOnlySpan<KeyValuePair<Type, object?>>)_few, .. _more ?? []])
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
        && ((key != typeof(IConnectionSendFileFeature) && key != typeof(IConnectionHalfCloseFeature)) || !_connection.IsOutputReplaced);

    private bool TryGetSet(Type key, out object? feature)
    {
        foreach (ref readonly var few in (ReadOnlySpan<KeyValuePair<Type, object?>>)_few)
        {
            if (few.Key == key)
            {
                feature = few.Value;
                return true;
            }
        }

        var index = IndexOfMore(key);
        feature = index >= 0 ? _more![index].Value : null;
        return index >= 0;
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

    [InlineArray(4)]
    private struct Few
    {
        private KeyValuePair<Type, object?> _entry;
    }
}

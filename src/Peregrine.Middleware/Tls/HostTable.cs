using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Peregrine.Middleware.Tls;

/// <summary>Finds what belongs to a host's name: that of the exact name, or that of the wildcard for its first label. Immutable.</summary>
internal sealed class HostTable<T>
    where T : class
{
    private static readonly IdnMapping s_idn = new();

    private readonly Dictionary<string, T> _exact = new(StringComparer.OrdinalIgnoreCase);

    // By what follows the asterisk.
    private readonly Dictionary<string, T> _wildcards = new(StringComparer.OrdinalIgnoreCase);

    /// <exception cref="InvalidOperationException">A name is none.</exception>
    public HostTable(IEnumerable<KeyValuePair<string, T>> hosts, string setting)
    {
        foreach (var (name, value) in hosts)
        {
            var isWildcard = name.StartsWith("*.", StringComparison.Ordinal);
            var host = ToAscii(isWildcard ? name[2..] : name);
            if (host.Length == 0 || Uri.CheckHostName(host) != UriHostNameType.Dns)
            {
                throw new InvalidOperationException(
                    $"{setting}: \"{name}\" is not the name of a host; use one such as example.com, or *.example.com for every name with one label more.");
            }

            if (!(isWildcard ? _wildcards : _exact).TryAdd(isWildcard ? "." + host : host, value))
            {
                throw new InvalidOperationException($"{setting}: \"{name}\" is there twice, in another form; remove one of them.");
            }
        }
    }

    public bool IsEmpty => _exact.Count == 0 && _wildcards.Count == 0;

    public bool TryFind(string? name, [NotNullWhen(true)] out T? value)
    {
        value = null;
        if (string.IsNullOrEmpty(name))
        {
            return false;
        }

        var host = ToAscii(name);
        var dot = host.IndexOf('.', StringComparison.Ordinal);
        return _exact.TryGetValue(host, out value) || (dot > 0 && _wildcards.TryGetValue(host[dot..], out value));
    }

    /// <summary>The A-label form, without the root's dot. What is no name stays as it is, and is not found.</summary>
    private static string ToAscii(string name)
    {
        var host = name.TrimEnd('.');
        if (System.Text.Ascii.IsValid(host))
        {
            return host;
        }

        try
        {
            return s_idn.GetAscii(host);
        }
        catch (ArgumentException)
        {
            return host;
        }
    }
}

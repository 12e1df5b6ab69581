using System.Net;

namespace Peregrine.Server.Endpoints;

/// <summary>An endpoint that the server listens on.</summary>
public sealed class ServerEndpoint
{
    internal ServerEndpoint(string name, string url, IReadOnlyList<EndPoint> addresses)
    {
        Name = name;
        Url = url;
        Addresses = addresses;
    }

    /// <summary>The endpoint's name in configuration and log; the url, if it was given none.</summary>
    public string Name { get; }

    /// <summary>The url as it was set.</summary>
    public string Url { get; }

    /// <summary>The addresses it is bound to: real ports, also where the url says 0. More than one for <c>localhost</c>.</summary>
    public IReadOnlyList<EndPoint> Addresses { get; }
}

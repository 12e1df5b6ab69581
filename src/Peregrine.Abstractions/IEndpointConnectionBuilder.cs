using Microsoft.AspNetCore.Connections;

namespace Peregrine;

/// <summary>The builder of an endpoint's pipeline tells middleware of the endpoint.</summary>
public interface IEndpointConnectionBuilder : IConnectionBuilder
{
    /// <summary>Its name in configuration, log and metrics.</summary>
    string EndpointName { get; }

    /// <summary>How many bytes a connection keeps that its handler has examined and not consumed.</summary>
    long MaxUnreadBytes { get; }
}

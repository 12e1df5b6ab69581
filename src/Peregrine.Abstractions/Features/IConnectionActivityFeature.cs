using System.Diagnostics;

namespace Peregrine.Features;

/// <summary>
/// The span of a connection, from its accept to its end. A connection has the feature only if its server traces it: somebody listens to the server's
/// <see cref="ActivitySource"/>, and its sampler has taken the connection.
/// </summary>
public interface IConnectionActivityFeature
{
    /// <summary>
    /// The span. It is <see cref="System.Diagnostics.Activity.Current"/> where the connection's pipeline begins, so that spans that a handler makes are its children;
    /// <see cref="ConnectionActivityExtensions.StartMessageActivity"/> makes one that is linked to it instead. It is the server's to end. Tags and events may
    /// be added from any thread until then.
    /// </summary>
    Activity Activity { get; }
}

using Peregrine.LoadTest.Results;

namespace Peregrine.LoadTest.Driving;

/// <summary>One way to drive a server.</summary>
internal interface IDrive
{
    /// <exception cref="IOException">The server reset, refused, or did not answer in time.</exception>
    /// <exception cref="InvalidDataException">What came back is wrong.</exception>
    Task<Measurement> RunAsync(CancellationToken cancellationToken);
}

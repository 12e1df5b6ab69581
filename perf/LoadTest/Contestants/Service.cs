namespace Peregrine.LoadTest.Contestants;

/// <summary>What a contestant serves, until the peer's FIN.</summary>
internal enum Service
{
    /// <summary>Sends every byte back.</summary>
    Echo,

    /// <summary>Counts every byte.</summary>
    Sink,
}

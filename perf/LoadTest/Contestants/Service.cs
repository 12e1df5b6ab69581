namespace Peregrine.LoadTest.Contestants;

/// <summary>What a contestant serves.</summary>
internal enum Service
{
    /// <summary>Sends every byte back, until the peer's FIN.</summary>
    Echo,

    /// <summary>Receives until the peer's FIN, and answers it with the number of bytes: 8 bytes, little-endian.</summary>
    Sink,
}

namespace Peregrine.LoadTest.Contestants;

/// <summary>What a contestant serves; where nothing else is said, until the peer's FIN.</summary>
internal enum Service
{
    /// <summary>Sends every byte, or every datagram, back.</summary>
    Echo,

    /// <summary>Counts every byte, or every datagram.</summary>
    Sink,

    /// <summary>Answers once, and closes: by a <c>ConnectionHandler</c>, for contestants that take one.</summary>
    Answer,

    /// <summary>Sends every message of a connection to all others: by a <c>ConnectionHandler</c>, for contestants that take one.</summary>
    Broadcast,

    /// <summary>Sends as many datagrams as a <see cref="SourceRequest"/> asks for.</summary>
    Source,
}

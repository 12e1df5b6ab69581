using Peregrine.LoadTest.Driving.Linux;

namespace Peregrine.LoadTest.Driving;

/// <summary>One connection of the client, in the clear or encrypted. Not safe for several threads.</summary>
internal interface IClientSocket
{
    /// <summary>What epoll watches.</summary>
    NativeSocket Descriptor { get; }

    /// <summary>The last receive filled its buffer, and left bytes of which epoll knows nothing: receive again.</summary>
    bool HasReceived { get; }

    /// <summary>False while it waits for the peer. Before it is true, nothing is sent or received.</summary>
    bool TryHandshake();

    /// <summary>The bytes received; 0 for the peer's end; -1 if there is nothing.</summary>
    int TryReceive(Span<byte> buffer);

    /// <summary>The bytes that were taken, which may be 0. What was not is sent next, unchanged.</summary>
    int TrySend(ReadOnlySpan<byte> bytes);

    /// <summary>The client's end; the peer may still send.</summary>
    void ShutdownSend();

    /// <summary>Waits for one more byte; false if the peer's end comes instead.</summary>
    bool ReceiveMore();

    void Close();
}

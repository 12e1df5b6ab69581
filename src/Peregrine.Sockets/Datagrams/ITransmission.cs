namespace Peregrine.Sockets.Datagrams;

/// <summary>By what a sender gives datagrams to the kernel. One call at a time.</summary>
internal interface ITransmission
{
    /// <summary>The longest datagrams of which one message may hold several; zero, if none may.</summary>
    int LargestSegment { get; }

    /// <summary>Whether the socket is connected, so that an error may be about a datagram that was sent before (udp(7)).</summary>
    bool IsConnected { get; }

    /// <summary>How many messages it takes at most.</summary>
    int MostMessages { get; }

    /// <summary>Prepares a message. Under the lock of the queue.</summary>
    void Prepare(int index, in OutgoingMessage message, SendRing ring);

    /// <summary>Sends the first messages of those that were prepared.</summary>
    Transmitted Transmit(int count);

    /// <summary>After <see cref="SendError.WouldBlock"/>: when there is room again, <see cref="QueuedSender.OnRoom()"/> is called.</summary>
    void WaitForRoom(QueuedSender sender);

    /// <inheritdoc cref="DatagramSender.GetPathMtu"/>
    int? GetPathMtu(in DatagramPath path);
}

/// <summary>What has become of messages.</summary>
/// <param name="Messages">How many the kernel has taken.</param>
/// <param name="Error">Why not the next one.</param>
/// <param name="Number">The system's number of the error.</param>
internal readonly record struct Transmitted(int Messages, SendError Error = SendError.None, int Number = 0);

/// <summary>Why the kernel has not taken a message.</summary>
internal enum SendError
{
    None,

    /// <summary>There is no room.</summary>
    WouldBlock,

    /// <summary>Memory is short.</summary>
    Starved,

    TooLarge,
    Unreachable,
    Refused,
    Other,

    /// <summary>The socket is closed.</summary>
    Closed,
}

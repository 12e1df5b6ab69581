using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Peregrine.Server.Tests.Connections.Aborts;

/// <summary>What a connection does when it is aborted.</summary>
internal enum AbortPhase
{
    /// <summary>Its handler reads, with or without bytes that it has not consumed.</summary>
    Read,

    /// <summary>Its handler flushes more than a peer takes that does not read.</summary>
    Flush,

    /// <summary>Both, in two flows.</summary>
    ReadAndFlush,

    /// <summary>A middleware exchanges bytes with the peer, before the handler begins.</summary>
    Handshake,

    /// <summary>Its handler is done, and the close sends the rest, or waits for the peer's FIN.</summary>
    Lingering,
}

/// <summary>What happens meanwhile to all that the server has.</summary>
internal enum AbortedDuring
{
    Nothing,
    Suspend,
    Stop,

    /// <summary>A stop whose time is over at about the moment of the aborts.</summary>
    ShortStop,
}

[Flags]
internal enum AbortedBy
{
    Server = 1,
    Peer = 2,
    Both = Server | Peer,
}

/// <summary>One connection: its seed decides what it does, who aborts it and when. Notes what came of it.</summary>
internal sealed class AbortRound
{
    public const int Handshakes = 3;

    public AbortRound(int seed, AbortedDuring during)
    {
        var random = new Random(seed);
        Seed = seed;
        During = during;
        Phase = (AbortPhase)random.Next(5);
        By = (AbortedBy)random.Next(1, 4);
        IsEarly = random.Next(4) == 0;
        HeedsStop = random.Next(2) == 0;
        WatchesClosed = random.Next(2) == 0;
        ClientBytes = Phase is AbortPhase.Read or AbortPhase.ReadAndFlush && random.Next(3) > 0 ? random.Next(1, 10_000) : 0;
        ServerBytes = Phase switch
        {
            AbortPhase.Lingering => random.Next(3) switch { 0 => 0, 1 => random.Next(1, 2_000), _ => AbortServer.MoreThanAPeerTakes },
            AbortPhase.Flush or AbortPhase.ReadAndFlush => AbortServer.MoreThanAPeerTakes,
            _ => 0,
        };
        WritesLent = random.Next(2) == 0;
        SilentHandshake = random.Next(Handshakes);
        Pause = (random.Next(4), random.Next(4_000));
    }

    public int Seed { get; }

    public AbortedDuring During { get; }

    public AbortPhase Phase { get; }

    public AbortedBy By { get; }

    /// <summary>The abort is not after the beginning of the phase, but somewhere on the way there.</summary>
    public bool IsEarly { get; }

    /// <summary>Its reads end when the server asks for it.</summary>
    public bool HeedsStop { get; }

    /// <summary>Somebody looks at the token, with which the kernel is asked to tell of the peer's end.</summary>
    public bool WatchesClosed { get; }

    public int ClientBytes { get; }

    public int ServerBytes { get; }

    /// <summary>The bytes are sent from memory of the handler, not from blocks of the pool.</summary>
    public bool WritesLent { get; }

    /// <summary>The exchange of the handshake that the client leaves out.</summary>
    public int SilentHandshake { get; }

    /// <summary>The client waits for the server's FIN before the abort.</summary>
    public bool ReadsToEnd => Phase == AbortPhase.Lingering && !IsEarly && ServerBytes < AbortServer.MoreThanAPeerTakes;

    /// <summary>Its kind, and how long.</summary>
    public (int Kind, int Length) Pause { get; }

    public ConnectionAbortedException Reason { get; } = new("The round's.");

    /// <summary>The connection has come as far as the first middleware.</summary>
    public TaskCompletionSource<ConnectionContext> Started { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>It is in its phase.</summary>
    public TaskCompletionSource Reached { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Closed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>How often ConnectionClosed fired.</summary>
    public int TimesClosed;

    /// <summary>What the handler's read ended with.</summary>
    public Exception? ReadFailure { get; set; }

    /// <summary>Whether its flush said that there is nobody to write to.</summary>
    public bool? FlushCompleted { get; set; }

    /// <summary>What the client met when it had read everything; null if it did not look.</summary>
    public SocketError? ClientEnd { get; set; }

    public override string ToString() => $"seed {Seed}: {Phase}, by {By}, during {During}{(IsEarly ? ", early" : "")}";
}

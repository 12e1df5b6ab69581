using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;

namespace Peregrine.Server.Tests.Connections.Aborts;

/// <summary>What must have come of a round, whatever the moment of the abort.</summary>
internal static class AbortExpectations
{
    public static ConnectionCloseReason ReasonOf(AbortRound round) => round.Started.Task.Result.Features.Get<IConnectionCloseFeature>()!.Reason;

    public static void Check(AbortRound round)
    {
        var reason = ReasonOf(round);
        Require(round, AllowedReasons(round).Contains(reason), $"the reason is {reason}");
        Require(round, round.TimesClosed == (round.WatchesClosed ? 1 : 0), $"ConnectionClosed fired {round.TimesClosed} times");
        Require(round, IsAllowed(round, round.ReadFailure), $"the read ended with {round.ReadFailure}");
        Require(round, round.FlushCompleted is null or true, "the flush saw no end");
        if (round.By == AbortedBy.Server && IsHandling(round))
        {
            Require(round, round.ClientEnd == SocketError.ConnectionReset, $"the client met {round.ClientEnd}");
        }
    }

    /// <summary>Nothing but the abort ends it.</summary>
    private static bool IsHandling(AbortRound round) =>
        round.Phase != AbortPhase.Lingering && round.During is AbortedDuring.Nothing or AbortedDuring.Suspend;

    private static IEnumerable<ConnectionCloseReason> AllowedReasons(AbortRound round)
    {
        if (round.Phase == AbortPhase.Lingering)
        {
            yield return ConnectionCloseReason.HandlerCompleted;
            if (round.ReadsToEnd)
            {
                yield break; // Its FIN had arrived before the abort.
            }
        }

        if (round.By.HasFlag(AbortedBy.Server))
        {
            yield return ConnectionCloseReason.Aborted;
        }

        if (round.By.HasFlag(AbortedBy.Peer))
        {
            yield return ConnectionCloseReason.PeerReset;
        }

        if (round.During is AbortedDuring.Stop or AbortedDuring.ShortStop)
        {
            yield return ConnectionCloseReason.ServerStopping;
        }

        if (round.During == AbortedDuring.ShortStop)
        {
            yield return ConnectionCloseReason.DrainDeadline;
        }
    }

    private static bool IsAllowed(AbortRound round, Exception? failure) => failure switch
    {
        null => round.Phase is AbortPhase.Flush or AbortPhase.Lingering,
        ConnectionAbortedException aborted =>
            (round.By.HasFlag(AbortedBy.Server) && aborted == round.Reason) || (round.During == AbortedDuring.ShortStop && aborted.Message.Contains("shutdown timeout", StringComparison.Ordinal)),
        ConnectionResetException => round.By.HasFlag(AbortedBy.Peer),
        OperationCanceledException => round.HeedsStop && round.During is AbortedDuring.Stop or AbortedDuring.ShortStop,
        _ => false,
    };

    private static void Require(AbortRound round, bool condition, string found) => Assert.True(condition, $"{round}: {found}");
}

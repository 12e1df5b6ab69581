using Peregrine.Features;
using Peregrine.Server.Connections;

namespace Peregrine.Server.Limits;

/// <summary>
/// Bounds what all connections keep in buffers: above it, those are reset that would take longest, at the pace of their peers since the last
/// beat, to get rid of what they keep.
/// </summary>
internal static class BufferBudget
{
    /// <summary>A quarter of what the process may use: of its container, or of the machine.</summary>
    public static long Default { get; } = Math.Max(1 << 20, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4);

    public static void Enforce(IEnumerable<ServerConnection> connections, long most)
    {
        // Those that are ended already give back what they keep as soon as their handlers are done.
        var keeping = connections.Where(connection => !connection.Supervision.IsRefused)
            .Select(connection => (Connection: connection, Bytes: connection.Supervision.BufferedBytes))
            .Where(item => item.Bytes > 0)
            .ToList();
        var total = keeping.Sum(item => item.Bytes);
        foreach (var (connection, bytes) in keeping.OrderByDescending(item => item.Bytes / (item.Connection.Supervision.Moved + 1.0)))
        {
            if (total <= most)
            {
                return;
            }

            total -= bytes;
            connection.Supervision.Refuse(
                ConnectionCloseReason.BufferLimit,
                $"The connections kept more than {most} bytes in buffers (Peregrine:Limits:MaxBufferedBytes), and this one, with {bytes}, was among the slowest.");
        }
    }
}

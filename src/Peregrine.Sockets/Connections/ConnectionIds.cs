using System.Globalization;

namespace Peregrine.Sockets.Connections;

/// <summary>Connection ids: unique in the process, in order of their making, and unlikely to repeat in the next process.</summary>
internal static class ConnectionIds
{
    private static readonly string Prefix = Guid.NewGuid().ToString("N")[..6] + "-";
    private static long s_last;

    public static string Next() => Prefix + Interlocked.Increment(ref s_last).ToString("x", CultureInfo.InvariantCulture);
}

using Peregrine.Features;

namespace Peregrine;

/// <summary>Close reasons as tags of measurements and spans have them.</summary>
internal static class CloseReasonName
{
    // By their numbers. PeerClosed is "peer_closed".
    private static readonly string[] s_names =
        [.. Enum.GetNames<ConnectionCloseReason>().Select(name => string.Concat(name.Select((c, i) => (i > 0 && char.IsUpper(c) ? "_" : "") + char.ToLowerInvariant(c))))];

    public static string Of(ConnectionCloseReason reason) => s_names[(int)reason];
}

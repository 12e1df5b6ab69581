namespace Peregrine.Protocols;

internal static class MessageSizes
{
    /// <summary>1 MiB: as much as a transport keeps unread by default.</summary>
    public const int DefaultMost = 1 << 20;
}

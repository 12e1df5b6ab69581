namespace Resp;

/// <summary>The section <c>Resp</c> of the configuration.</summary>
internal sealed class RespServerOptions
{
    /// <summary>The most keys. A command that would make one more is answered with <c>-OOM</c>.</summary>
    public int MaxKeys { get; set; } = 1_000_000;

    /// <summary>The most bytes of keys and values, with what each takes beside them. A command that would need more is answered with <c>-OOM</c>.</summary>
    public long MaxMemoryInBytes { get; set; } = 256 * 1024 * 1024;

    /// <summary>What is kept for a subscriber that does not read. Beyond it, it is disconnected (as with Redis' client-output-buffer-limit).</summary>
    public int MaxPendingBytes { get; set; } = 1024 * 1024;

    /// <summary>The most channels and patterns that one connection subscribes to.</summary>
    public int MaxSubscriptions { get; set; } = 10_000;
}

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

    /// <summary>
    /// The most bytes of values that one command is answered with: <c>MGET</c> may name a large value many times. Above it, it is answered with an error. Below
    /// <c>MaxUnsentBytes</c> of the endpoint, at which the connection is reset.
    /// </summary>
    public int MaxReplyInBytes { get; set; } = 8 * 1024 * 1024;

    /// <summary>The most channels and patterns that one connection subscribes to.</summary>
    public int MaxSubscriptions { get; set; } = 10_000;
}

namespace Peregrine.Sockets;

/// <summary>Options of a <see cref="PinnedMemoryPool"/>. They are read once, when the pool is made.</summary>
public sealed class PinnedMemoryPoolOptions
{
    /// <summary>
    /// How many bytes of free blocks are kept ready beside those of the cores (1 MiB each), a quarter for each block size. Default 64 MiB;
    /// at least 0. A block that is returned above it is given back to the system at once.
    /// </summary>
    public long MaxRetainedBytes { get; set; } = 64 << 20;

    /// <summary>The clock by which unused blocks are given back. Default <see cref="TimeProvider.System"/>.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;
}

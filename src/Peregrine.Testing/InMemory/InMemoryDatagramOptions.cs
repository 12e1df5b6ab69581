using System.Buffers;

namespace Peregrine.Testing;

/// <summary>Options of the <see cref="InMemoryDatagramTransport"/>. They are read once, when the transport is made.</summary>
public sealed class InMemoryDatagramOptions
{
    /// <summary>
    /// The pool that the payloads of batches are rented from, and returned to when the handler's task completes. Default <see cref="MemoryPool{T}.Shared"/>;
    /// a <see cref="LeakCheckingMemoryPool"/> finds handlers that keep a payload. The transport never disposes it.
    /// </summary>
    public MemoryPool<byte> Pool { get; set; } = MemoryPool<byte>.Shared;

    /// <summary>
    /// How many datagrams wait at a socket or a client until they are received: the kernel's receive buffer. Default 1024, at least 1. One that finds it full is dropped: at a socket it is
    /// counted (<see cref="DatagramDropReason.ReceiveBufferFull"/>) when <see cref="IDatagramSocket.CountKernelDrops"/> is called, at a client in <see cref="InMemoryDatagramClient.Dropped"/>.
    /// </summary>
    public int ReceiveQueueLength { get; set; } = 1024;

    /// <summary>How many datagrams a sender queues while <see cref="InMemoryDatagramTransport.IsCongested"/> is set. Default 1024, at least 1.</summary>
    public int SendQueueLength { get; set; } = 1024;

    /// <summary>How many datagrams a batch has at most. Default 64, at least 1.</summary>
    public int BatchSize { get; set; } = 64;

    /// <summary>Stamps what is received. Default <see cref="TimeProvider.System"/>.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;
}

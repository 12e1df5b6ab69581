using System.Diagnostics.CodeAnalysis;

namespace Peregrine;

/// <summary>Handles a batch of datagrams: a handler, or the part of a pipeline from a middleware on.</summary>
/// <remarks>
/// The next batch of the same socket is received when the task is complete, so that the datagrams of a peer stay in order; meanwhile the kernel queues, and drops what
/// does not fit, which is counted. An exception costs the batch, is counted and logged, and stops nothing.
/// </remarks>
/// <param name="batch">Valid until the task completes.</param>
/// <param name="sender">What is queued to it is sent when the task completes, together.</param>
[SuppressMessage("Naming", "CA1711", Justification = "What ConnectionDelegate is for connections.")]
public delegate ValueTask DatagramDelegate(DatagramBatch batch, DatagramSender sender);

using System.Buffers;
using System.Diagnostics;

namespace Peregrine.Testing;

/// <summary>
/// A memory pool for tests that finds blocks which never came back, came back twice, came back during an operation that still had them pinned,
/// or were used after they came back.
/// </summary>
/// <remarks>
/// <para>
/// An access through a stale <see cref="Memory{T}"/> throws <see cref="ObjectDisposedException"/>. A write through a stale <see cref="Span{T}"/> cannot be
/// caught in the act: a returned block is filled with a pattern and kept for a while, and a pattern that changed is reported. Every violation is also
/// remembered and reported by <see cref="AssertAllReturned"/> and by <c>Dispose</c>, because the exception at the place itself may be swallowed.
/// </para>
/// <para>No array is ever given out twice. New blocks hold a pattern, not zeros. All members are safe to use from any thread.</para>
/// </remarks>
public sealed class LeakCheckingMemoryPool : MemoryPool<byte>
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, LeakCheckedBlock> _rented = [];
    private readonly BlockQuarantine _quarantine = new();
    private readonly List<string> _violations = [];
    private readonly bool _captureStacks;
    private TaskCompletionSource? _allReturned;
    private long _lastId;
    private int _maxRented;
    private bool _disposed;

    /// <summary>Makes a pool.</summary>
    /// <param name="blockSizeInBytes">
    /// The size of a block in bytes, at least 1: <c>Rent(n)</c> gives exactly the larger of <c>n</c> and this. Default 4096.
    /// </param>
    /// <param name="captureStacks">Whether the stack of every rent is kept and shown in messages. Slow. Default <see langword="false"/>.</param>
    public LeakCheckingMemoryPool(int blockSizeInBytes = 4096, bool captureStacks = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blockSizeInBytes, 1);
        BlockSizeInBytes = blockSizeInBytes;
        _captureStacks = captureStacks;
    }

    /// <summary>The size of the smallest block, in bytes.</summary>
    public int BlockSizeInBytes { get; }

    /// <inheritdoc/>
    public override int MaxBufferSize => Array.MaxLength;

    /// <summary>The number of blocks that are out now.</summary>
    public int Rented
    {
        get
        {
            lock (_gate)
                return _rented.Count;
        }
    }

    /// <summary>The largest number of blocks that were ever out at once.</summary>
    public int MaxRented
    {
        get
        {
            lock (_gate)
                return _maxRented;
        }
    }

    /// <summary>Rents a block of exactly <paramref name="minBufferSize"/> bytes, or of <see cref="BlockSizeInBytes"/> if that is more.</summary>
    /// <param name="minBufferSize">The size in bytes, or -1 for the block size.</param>
    /// <exception cref="ObjectDisposedException">The pool was disposed.</exception>
    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(minBufferSize, -1);
        var array = GC.AllocateUninitializedArray<byte>(Math.Max(minBufferSize, BlockSizeInBytes));
        array.AsSpan().Fill(FreshPattern);
        var stack = _captureStacks ? new StackTrace(1, fNeedFileInfo: true) : null;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var block = new LeakCheckedBlock(this, ++_lastId, array, stack);
            _rented.Add(block.Id, block);
            _maxRented = Math.Max(_maxRented, _rented.Count);
            return block;
        }
    }

    /// <summary>Requires that every block is back and that nothing was misused.</summary>
    /// <exception cref="BufferViolationException">A block is out, or a violation was found now or earlier; the message names each.</exception>
    public void AssertAllReturned()
    {
        if (FindViolations() is { Count: > 0 } violations)
            throw new BufferViolationException(violations);
    }

    /// <summary>Waits until every block is back, then requires that nothing was misused.</summary>
    /// <remarks>For a test's end: a buffer may come back on another thread a moment after the test's last await.</remarks>
    /// <param name="timeout">How long to wait in all.</param>
    /// <param name="timeProvider">The clock of the timeout; <see langword="null"/> is the system's.</param>
    /// <exception cref="BufferViolationException">Blocks were still out at the timeout, or a violation was found.</exception>
    public async Task WhenAllReturnedAsync(TimeSpan timeout, TimeProvider? timeProvider = null)
    {
        using var timer = new CancellationTokenSource(timeout, timeProvider ?? TimeProvider.System);
        try
        {
            while (NextReturnOfAll() is { } next)
                await next.WaitAsync(timer.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (timer.IsCancellationRequested)
        {
            // What is out is said, by name, below.
        }

        AssertAllReturned();
    }

    internal void Return(LeakCheckedBlock block, byte[] array)
    {
        TaskCompletionSource? allReturned = null;
        lock (_gate)
        {
            _rented.Remove(block.Id);
            _quarantine.AddLocked(block, array, _violations);
            if (_rented.Count == 0)
                (allReturned, _allReturned) = (_allReturned, null);
        }

        allReturned?.SetResult();
    }

    internal void Report(string violation)
    {
        lock (_gate)
        {
            if (_violations.Count < MaxViolations)
                _violations.Add(violation);
        }
    }

    /// <summary>Refuses further rents, and requires what <see cref="AssertAllReturned"/> requires.</summary>
    protected override void Dispose(bool disposing)
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            _disposed = true;
        }

        AssertAllReturned();
    }

    private Task? NextReturnOfAll()
    {
        lock (_gate)
        {
            if (_rented.Count == 0)
                return null;
            _allReturned ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _allReturned.Task;
        }
    }

    private List<string> FindViolations()
    {
        lock (_gate)
        {
            _quarantine.VerifyLocked(_violations);
            return [.. _violations, .. _rented.Values.OrderBy(block => block.Id).Select(block => $"{block} was not returned.{block.RentedAt}")];
        }
    }

    private const int MaxViolations = 1_000;
    private const byte FreshPattern = 0xC7;
}

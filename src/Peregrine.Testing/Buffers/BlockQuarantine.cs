namespace Peregrine.Testing;

/// <summary>Returned blocks, filled with a pattern, the oldest given up when there are too many. Its owner holds the lock.</summary>
internal sealed class BlockQuarantine
{
    private readonly Queue<(LeakCheckedBlock Block, byte[] Array)> _blocks = new();
    private long _bytes;

    public void AddLocked(LeakCheckedBlock block, byte[] array, List<string> violations)
    {
        array.AsSpan().Fill(ReturnedPattern);
        _blocks.Enqueue((block, array));
        _bytes += array.Length;
        while (_blocks.Count > MaxBlocks || _bytes > MaxBytes)
            ReleaseOldest(violations);
    }

    public void VerifyLocked(List<string> violations)
    {
        foreach (var (block, array) in _blocks)
            Verify(block, array, violations);
    }

    private void ReleaseOldest(List<string> violations)
    {
        var (block, array) = _blocks.Dequeue();
        _bytes -= array.Length;
        Verify(block, array, violations);
    }

    private static void Verify(LeakCheckedBlock block, byte[] array, List<string> violations)
    {
        int changed = array.AsSpan().IndexOfAnyExcept(ReturnedPattern);
        if (changed < 0)
            return;
        violations.Add($"{block} was written to after it was returned (offset {changed}).{block.RentedAt}");
        // Said once; the next look finds the pattern again.
        array.AsSpan().Fill(ReturnedPattern);
    }

    private const byte ReturnedPattern = 0xDB;
    private const int MaxBlocks = 16_384;
    private const long MaxBytes = 8 * 1024 * 1024;
}

namespace Peregrine;

/// <summary>What code allocates on its thread.</summary>
internal static class Allocations
{
    private const int Rounds = 6;

    /// <summary>
    /// The bytes of the best of some rounds: what the code allocates is in every one, and what the runtime does once on its behalf, whenever it compiles
    /// a part of it again, is not. The first round counts like the others, so that no other warm-up is needed.
    /// </summary>
    /// <param name="round">The same work each time. An object of each operation is far more than nothing.</param>
    public static long LeastOf(Action round)
    {
        var least = long.MaxValue;
        for (var i = 0; i < Rounds && least > 0; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            round();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}

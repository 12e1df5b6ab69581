using System.Diagnostics;

namespace Peregrine.Sockets.EventLoops;

/// <summary>
/// A descriptor and who uses it. Its number is free for another socket from its close on: so every call on it is between <see cref="TryEnter"/> and
/// <see cref="Exit"/>, and the last one that leaves after the <see cref="Release"/> closes it.
/// </summary>
/// <remarks>
/// The state is the number of those inside, times two, plus one if it is released. Released it lets nobody in, so the number only falls, and
/// becomes zero once: by the <see cref="Exit"/> of the last, or, with nobody inside, by the <see cref="Release"/> itself.
/// </remarks>
internal struct CountedDescriptor(int number)
{
    private const int Released = 1;
    private const int One = 2;

    private readonly int _number = number;
    private int _state;

    /// <summary>A release that began before is seen, if a full barrier is before the call.</summary>
    public bool IsReleased => (Volatile.Read(ref _state) & Released) != 0;

    /// <summary>False if it is released. Otherwise the number is this socket's until <see cref="Exit"/>.</summary>
    public bool TryEnter(out int number)
    {
        number = _number;
        var before = Volatile.Read(ref _state);
        while ((before & Released) == 0)
        {
            // Fails if somebody enters or leaves meanwhile, the other direction or an abort, or if it is released: then it is not entered.
            var seen = Interlocked.CompareExchange(ref _state, before + One, before);
            if (seen == before)
            {
                return true;
            }

            before = seen;
        }

        return false;
    }

    /// <summary>True if the caller was the last one inside and closes it.</summary>
    public bool Exit()
    {
        var left = Interlocked.Add(ref _state, -One);
        Debug.Assert(left >= 0);
        return left == Released;
    }

    /// <summary>Lets nobody in any more. Only the first call does anything.</summary>
    /// <param name="number">For the close.</param>
    /// <param name="isFirst">Whether it was this call.</param>
    /// <returns>True if nobody is inside: the caller closes it.</returns>
    public bool Release(out int number, out bool isFirst)
    {
        number = _number;
        var before = Interlocked.Or(ref _state, Released);
        isFirst = (before & Released) == 0;
        return before == 0;
    }
}

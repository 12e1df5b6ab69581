using System.Diagnostics;

namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>
/// Looks again for a while before it waits. A thread that sleeps is woken by whoever sends to it: over loopback that would be the server, which would pay for it with each
/// datagram (microseconds, where the cores are virtual), the more the slower it is. The client of a server behind a network costs it nothing.
/// </summary>
/// <param name="interval">
/// The least time between what there was and the next look, as a network card leaves between its interrupts (ethtool(8), rx-usecs): what comes meanwhile is taken together.
/// </param>
internal sealed class Polling(TimeSpan interval = default)
{
    private const int PauseBetween = 10;
    private static readonly TimeSpan Patience = TimeSpan.FromMicroseconds(100);

    private static readonly long PatienceInTicks = (long)(Patience.TotalSeconds * Stopwatch.Frequency);

    private readonly long _interval = (long)(interval.TotalSeconds * Stopwatch.Frequency);
    private long _lookAt;
    private long _idle;

    /// <summary>The time in which there was nothing, while measured: CPU time that the load did not need.</summary>
    public TimeSpan Idle => Stopwatch.GetElapsedTime(0, _idle);

    /// <param name="look">Returns what there is at once, 0 if there is nothing.</param>
    /// <param name="wait">Returns what there is when there is something.</param>
    /// <param name="isMeasured">Whether the time counts.</param>
    public int Next(Func<int> look, Func<int> wait, bool isMeasured)
    {
        var count = Moderated(look, isMeasured);
        if (count == 0)
        {
            count = Patient(look, isMeasured) is var found and > 0 ? found : wait();
        }

        _lookAt = Stopwatch.GetTimestamp() + _interval;
        return count;
    }

    private int Moderated(Func<int> look, bool isMeasured)
    {
        if (_interval > 0)
        {
            var started = Stopwatch.GetTimestamp();
            var now = started;
            for (; now < _lookAt; now = Stopwatch.GetTimestamp())
            {
                Thread.SpinWait(PauseBetween);
            }

            _idle += isMeasured ? Math.Min(now - started, _interval) : 0;
        }

        return look();
    }

    private int Patient(Func<int> look, bool isMeasured)
    {
        var count = 0;
        var started = Stopwatch.GetTimestamp();
        var now = started;
        while (count == 0 && Stopwatch.GetElapsedTime(started, now) < Patience)
        {
            Thread.SpinWait(PauseBetween);
            count = look();
            now = Stopwatch.GetTimestamp();
        }

        // Not more than that: whoever else had the core meanwhile is no part of this.
        _idle += isMeasured ? Math.Min(now - started, PatienceInTicks) : 0;
        return count;
    }
}

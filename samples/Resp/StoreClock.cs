namespace Resp;

/// <summary>Milliseconds from the start on, whatever happens to the time of day.</summary>
internal sealed class StoreClock(TimeProvider clock)
{
    private readonly long _start = clock.GetTimestamp();

    public long Now => (long)clock.GetElapsedTime(_start).TotalMilliseconds;
}

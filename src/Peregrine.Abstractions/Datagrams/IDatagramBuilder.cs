namespace Peregrine;

/// <summary>Builds the pipeline of a datagram endpoint: middleware, and the handler at its end.</summary>
public interface IDatagramBuilder
{
    /// <summary>The application's services.</summary>
    IServiceProvider ApplicationServices { get; }

    /// <summary>The endpoint's name in configuration, log and metrics.</summary>
    string EndpointName { get; }

    /// <summary>Those of the endpoint: a middleware that drops datagrams counts them here.</summary>
    DatagramCounters Counters { get; }

    /// <summary>Adds a middleware: it gets what comes behind it, and returns what is called in its place.</summary>
    IDatagramBuilder Use(Func<DatagramDelegate, DatagramDelegate> middleware);

    /// <summary>
    /// Calls <paramref name="beat"/> once a second while the endpoint runs, until its stop is over; never twice at a time. For the timeouts of all that a middleware keeps:
    /// no timer for each. What it throws is logged.
    /// </summary>
    IDatagramBuilder OnHeartbeat(Action beat);

    /// <summary>
    /// Calls <paramref name="drain"/> once, at the stop, when the endpoint receives no more and its handlers have ended; it can still send. The stop waits for the task until
    /// its deadline, when the token is cancelled.
    /// </summary>
    IDatagramBuilder OnStopping(Func<CancellationToken, Task> drain);

    /// <summary>The pipeline.</summary>
    DatagramDelegate Build();
}

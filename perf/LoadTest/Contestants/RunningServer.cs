namespace Peregrine.LoadTest.Contestants;

/// <summary>A server that listens on a port of 127.0.0.1, and what stops it.</summary>
internal sealed record RunningServer(int Port, Func<Task> StopAsync);

namespace Peregrine.LoadTest.Driving;

/// <summary>All clients of an echo load, over one transport or another.</summary>
internal interface IEchoClient : IDisposable
{
    long Answered { get; }

    /// <summary>Drives until the window says that it is enough and the last answer is here.</summary>
    Task RunAsync(MeasuringWindow window);

    /// <summary>Ends what has an end, and sees that nothing more comes.</summary>
    Task EndAsync();
}

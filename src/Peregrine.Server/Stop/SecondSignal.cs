using System.Runtime.InteropServices;

namespace Peregrine.Server.Stop;

/// <summary>Notices a signal that comes while the server stops: whoever sends a second one does not want to wait.</summary>
internal sealed class SecondSignal : IDisposable
{
    private readonly CancellationTokenSource _received = new();
    private readonly List<PosixSignalRegistration> _registrations = [];

    public SecondSignal()
    {
        foreach (var signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGQUIT])
        {
            try
            {
                _registrations.Add(PosixSignalRegistration.Create(signal, OnSignal));
            }
            catch (Exception exception) when (exception is PlatformNotSupportedException or IOException)
            {
                // A system without signals: then there is no second one.
            }
        }
    }

    public CancellationToken Received => _received.Token;

    public void Dispose() => _registrations.ForEach(static registration => registration.Dispose());

    private void OnSignal(PosixSignalContext context)
    {
        // Otherwise the runtime would end the process at once, and cut the rest of the stop off.
        context.Cancel = true;
        _received.Cancel();
    }
}

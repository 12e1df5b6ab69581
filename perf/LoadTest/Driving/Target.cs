using Peregrine.LoadTest.Driving.Linux;

namespace Peregrine.LoadTest.Driving;

/// <summary>The server that is driven.</summary>
/// <param name="Port">Its port of 127.0.0.1.</param>
/// <param name="Process">Its id, by which its CPU time and its memory are read.</param>
/// <param name="Tls">Null for connections in the clear.</param>
internal sealed record Target(int Port, int Process, TlsClient? Tls)
{
    /// <summary>Small messages go at once.</summary>
    /// <param name="source">An address of 127.0.0.0/8, in host order.</param>
    public IClientSocket Connect(uint source)
    {
        var socket = NativeSocket.Connect(source, Port).WithOptions();
        return Tls is null ? socket : new TlsSocket(socket, Tls);
    }

    /// <summary>As cheap as it can be: a first message goes at once without an option, unless a handshake is before it.</summary>
    public IClientSocket ConnectForOneMessage(uint source) => Tls is null ? NativeSocket.Connect(source, Port) : Connect(source);
}

using System.Buffers.Binary;
using Peregrine.LoadTest.Driving.Linux;

namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>Many with each call, and the kernel takes each by itself.</summary>
internal sealed class SeparateDatagrams : IOutgoingDatagrams
{
    private readonly DatagramSocket _socket;
    private readonly DatagramVector _datagrams;
    private int _owed;

    public SeparateDatagrams(DatagramSocket socket, int port, int most, int size)
    {
        _socket = socket;
        _datagrams = new DatagramVector(most, size);
        _datagrams.SetServer(port);
    }

    public Span<byte> Next(int peer)
    {
        if (_owed == _datagrams.Count)
        {
            Send();
        }

        _datagrams.SetSource(_owed, BinaryPrimitives.ReverseEndianness(SourceAddresses.Loopback + (uint)peer));
        return _datagrams[_owed++];
    }

    public void Send()
    {
        _socket.Send(_datagrams, _owed);
        _owed = 0;
    }

    public void Dispose() => _datagrams.Dispose();
}

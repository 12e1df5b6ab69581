using System.Buffers.Binary;
using Peregrine.LoadTest.Driving.Linux;

namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>
/// What one peer sends together is handed to the kernel in one piece, which it cuts for a receiver that wants datagrams: so the client spends little on each, as the
/// client on another machine does that has a network card to cut them.
/// </summary>
internal sealed class DatagramTrains : IOutgoingDatagrams
{
    // UDP_MAX_SEGMENTS was raised later.
    private const int MostSegments = 64;
    private const int LargestPiece = 65_507;
    private const int None = -1;

    private readonly DatagramSocket _socket;
    private readonly DatagramVector _trains;
    private readonly int _size;
    private readonly int _longest;

    // By the peer, which of the trains is its own; and of each train, how long it is.
    private readonly int[] _trainOf;
    private readonly int[] _peers;
    private readonly int[] _lengths;
    private int _owed;

    public DatagramTrains(DatagramSocket socket, int port, int peers, Load load)
    {
        (_socket, _size) = (socket, load.Size);
        _longest = Math.Clamp(LargestPiece / load.Size, 1, Math.Min(load.Depth, MostSegments));
        (_trainOf, _peers, _lengths) = (new int[peers], new int[peers], new int[peers]);
        Array.Fill(_trainOf, None);
        _trains = new DatagramVector(peers, _longest * load.Size);
        _trains.SetServer(port);
    }

    public Span<byte> Next(int peer)
    {
        if (_trainOf[peer] != None && _lengths[_trainOf[peer]] == _longest)
        {
            Send();
        }

        var train = _trainOf[peer];
        if (train == None)
        {
            train = _owed++;
            (_trainOf[peer], _peers[train], _lengths[train]) = (train, peer, 0);
        }

        return _trains[train].Slice(_lengths[train]++ * _size, _size);
    }

    public void Send()
    {
        for (var train = 0; train < _owed; train++)
        {
            _trainOf[_peers[train]] = None;
            _trains.SetSource(train, BinaryPrimitives.ReverseEndianness(SourceAddresses.Loopback + (uint)_peers[train]));
            _trains.SetTrain(train, _lengths[train], _size);
        }

        _socket.Send(_trains, _owed, "sendmmsg with UDP_SEGMENT");
        _owed = 0;
    }

    public void Dispose() => _trains.Dispose();
}

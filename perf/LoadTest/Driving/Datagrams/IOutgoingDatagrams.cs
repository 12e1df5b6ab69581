namespace Peregrine.LoadTest.Driving.Datagrams;

/// <summary>What is to be sent by one socket from the addresses of many peers: 127.0.0.1 and those that follow it.</summary>
internal interface IOutgoingDatagrams : IDisposable
{
    /// <summary>Room for one more datagram of a peer, which is to be written before the next call. Where there is none, what there is is sent first.</summary>
    Span<byte> Next(int peer);

    /// <summary>Sends what there is.</summary>
    void Send();
}

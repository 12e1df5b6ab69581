using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace Peregrine.Middleware.Sessions;

/// <summary>To which session a datagram belongs: a remote address or an identifier, in 24 bytes. One table has keys of one kind.</summary>
internal readonly record struct SessionKey
{
    /// <summary>As long as a connection id of QUIC may be (RFC 9000 §17.2).</summary>
    public const int MaxIdentifierSize = 20;

    private SessionKey(ulong first, ulong second, ulong third) => (First, Second, Third) = (first, second, third);

    public ulong First { get; }

    public ulong Second { get; }

    public ulong Third { get; }

    public static SessionKey Of(in DatagramAddress address) => new(address.UpperBits, address.LowerBits, ((ulong)address.ScopeId << 16) | address.Port);

    public static SessionKey Of(ReadOnlySpan<byte> identifier)
    {
        Span<byte> bytes = stackalloc byte[24];
        bytes.Clear();
        identifier.CopyTo(bytes[..MaxIdentifierSize]);

        // Zeros that belong to it, and zeros that do not, are two.
        bytes[MaxIdentifierSize] = (byte)identifier.Length;
        return new(
            BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]), BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]));
    }
}

/// <summary>
/// SipHash-1-3 (Aumasson and Bernstein, 2012) with a random key: whoever chooses identifiers, or forges addresses, must not be able to choose which of them
/// meet in one bucket.
/// </summary>
internal sealed class SessionKeyComparer : IEqualityComparer<SessionKey>, IEqualityComparer<PeerNetwork>
{
    private readonly ulong _key0;
    private readonly ulong _key1;

    public SessionKeyComparer()
    {
        Span<byte> key = stackalloc byte[16];
        RandomNumberGenerator.Fill(key);
        _key0 = BinaryPrimitives.ReadUInt64LittleEndian(key);
        _key1 = BinaryPrimitives.ReadUInt64LittleEndian(key[8..]);
    }

    public bool Equals(SessionKey x, SessionKey y) => x == y;

    public bool Equals(PeerNetwork x, PeerNetwork y) => x == y;

    public int GetHashCode(SessionKey key)
    {
        var state = new State(_key0, _key1);
        state.Add(key.First);
        state.Add(key.Second);
        state.Add(key.Third);
        return state.Finish(sizeInBytes: 24);
    }

    public int GetHashCode(PeerNetwork network)
    {
        var state = new State(_key0, _key1);
        state.Add(network.Bits);
        return state.Finish(sizeInBytes: 8);
    }

    private ref struct State(ulong key0, ulong key1)
    {
        private ulong _v0 = key0 ^ 0x736F_6D65_7073_6575;
        private ulong _v1 = key1 ^ 0x646F_7261_6E64_6F6D;
        private ulong _v2 = key0 ^ 0x6C79_6765_6E65_7261;
        private ulong _v3 = key1 ^ 0x7465_6462_7974_6573;

        public void Add(ulong word)
        {
            _v3 ^= word;
            Round();
            _v0 ^= word;
        }

        public int Finish(ulong sizeInBytes)
        {
            Add(sizeInBytes << 56);
            _v2 ^= 0xFF;
            Round();
            Round();
            Round();
            return (int)(_v0 ^ _v1 ^ _v2 ^ _v3);
        }

        private void Round()
        {
            _v0 += _v1;
            _v2 += _v3;
            _v1 = BitOperations.RotateLeft(_v1, 13) ^ _v0;
            _v3 = BitOperations.RotateLeft(_v3, 16) ^ _v2;
            _v0 = BitOperations.RotateLeft(_v0, 32);
            _v2 += _v1;
            _v0 += _v3;
            _v1 = BitOperations.RotateLeft(_v1, 17) ^ _v2;
            _v3 = BitOperations.RotateLeft(_v3, 21) ^ _v0;
            _v2 = BitOperations.RotateLeft(_v2, 32);
        }
    }
}

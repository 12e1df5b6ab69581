using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;

namespace Peregrine;

/// <summary>
/// An IP address and a port as a value of 24 bytes: of a peer, or of this side. An IPv4 address is the same whichever kind of socket it came by: one mapped into
/// IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address. Two are equal if address, scope and port are. The default is <see cref="Unspecified"/>.
/// </summary>
public readonly struct DatagramAddress : IEquatable<DatagramAddress>
{
    private const ulong MappedPrefix = 0xFFFF_0000_0000;
    private const ulong IPv4Mask = 0xFFFF_FFFF;

    private readonly ulong _upper;
    private readonly ulong _lower;
    private readonly uint _scope;
    private readonly ushort _port;

    /// <summary>An address by its bits.</summary>
    /// <param name="upper">The first 64 bits of the IPv6 address.</param>
    /// <param name="lower">The last 64 bits.</param>
    /// <param name="port">In the host's byte order.</param>
    /// <param name="scope">The index of the interface that a link-local address belongs to; zero for every other.</param>
    public DatagramAddress(ulong upper, ulong lower, ushort port, uint scope = 0)
    {
        _upper = upper;
        _lower = lower;
        _port = port;
        _scope = scope;
    }

    /// <summary>An IPv4 address.</summary>
    /// <param name="ipv4">In the host's byte order: 127.0.0.1 is 0x7F000001.</param>
    /// <param name="port">In the host's byte order.</param>
    public DatagramAddress(uint ipv4, ushort port)
        : this(0, MappedPrefix | ipv4, port)
    {
    }

    /// <summary>An address and a port.</summary>
    public DatagramAddress(IPEndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        _port = (ushort)endPoint.Port;
        Span<byte> bytes = stackalloc byte[16];
        endPoint.Address.TryWriteBytes(bytes, out var size);
        if (size == 4)
        {
            _lower = MappedPrefix | BinaryPrimitives.ReadUInt32BigEndian(bytes);
            return;
        }

        _upper = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _lower = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _scope = (uint)endPoint.Address.ScopeId;
    }

    /// <summary>[::]:0, which is no peer's. As this side's it leaves the choice to the system.</summary>
    public static DatagramAddress Unspecified => default;

    /// <summary>The first 64 bits of the address as IPv6; zero for IPv4.</summary>
    public ulong UpperBits => _upper;

    /// <summary>The last 64 bits of the address as IPv6; for IPv4 0x0000FFFF and the 32 bits of it.</summary>
    public ulong LowerBits => _lower;

    /// <summary>From 0 to 65535.</summary>
    public ushort Port => _port;

    /// <summary>The index of the interface that a link-local address belongs to (RFC 4007); zero for every other.</summary>
    public uint ScopeId => _scope;

    /// <summary>Whether it is an IPv4 address.</summary>
    public bool IsIPv4 => _upper == 0 && _lower >> 32 == MappedPrefix >> 32;

    /// <summary>Whether the address is 0.0.0.0 or [::], whatever the port.</summary>
    public bool IsUnspecified => _upper == 0 && (_lower == 0 || _lower == MappedPrefix);

    /// <summary>The 32 bits of an IPv4 address in the host's byte order; without meaning for IPv6.</summary>
    public uint IPv4Bits => (uint)(_lower & IPv4Mask);

    /// <summary>Compares all of it.</summary>
    public static bool operator ==(in DatagramAddress left, in DatagramAddress right) => left.Equals(right);

    /// <summary>Compares all of it.</summary>
    public static bool operator !=(in DatagramAddress left, in DatagramAddress right) => !left.Equals(right);

    /// <summary>The same address with another port.</summary>
    public DatagramAddress WithPort(ushort port) => new(_upper, _lower, port, _scope);

    /// <summary>The address as an object. Allocates.</summary>
    public IPAddress ToIPAddress()
    {
        Span<byte> bytes = stackalloc byte[16];
        if (IsIPv4)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes, IPv4Bits);
            return new IPAddress(bytes[..4]);
        }

        BinaryPrimitives.WriteUInt64BigEndian(bytes, _upper);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], _lower);
        return new IPAddress(bytes, _scope);
    }

    /// <summary>Address and port as an object. Allocates.</summary>
    public IPEndPoint ToIPEndPoint() => new(ToIPAddress(), _port);

    /// <inheritdoc/>
    public bool Equals(DatagramAddress other) => _upper == other._upper && _lower == other._lower && _port == other._port && _scope == other._scope;

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is DatagramAddress other && Equals(other);

    /// <summary>Seeded for each process, so that a peer cannot choose addresses that collide.</summary>
    public override int GetHashCode() =>
        // By halves: the hash of an ulong is its two halves combined, before any seed, so that addresses that collide would be free to choose.
        HashCode.Combine((uint)(_upper >> 32), (uint)_upper, (uint)(_lower >> 32), (uint)_lower, _scope, _port);

    /// <summary>As in 192.0.2.1:7000 or [2001:db8::1]:7000.</summary>
    public override string ToString() => ToIPEndPoint().ToString();
}

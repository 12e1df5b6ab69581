using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Peregrine.Middleware;

/// <summary>
/// Proves that a peer has its address without keeping anything about it (as with the address validation of RFC 9000 §8.1.3 and the cookies of DTLS, RFC 9147 §5.1): a cookie is sent to the address, and only
/// who receives there can send it back.
/// </summary>
/// <remarks>
/// <para>
/// A cookie is 20 bytes: the time in seconds, four bytes of it, and the first 16 of an HMAC-SHA256 (RFC 2104 §5) of the time, the address, the port, and what the application adds.
/// Within its lifetime it can be used again, from the same address. It keeps no secret of the application, and proves no identity.
/// </para>
/// <para>Safe to use from any thread. Allocates nothing.</para>
/// </remarks>
public sealed class DatagramCookies
{
    /// <summary>The bytes of a cookie.</summary>
    public const int SizeInBytes = TimeSize + MacSize;

    /// <summary>The most bytes of data that an application can bind a cookie to.</summary>
    public const int MaxDataSizeInBytes = 256;

    /// <summary>The fewest bytes that a key may have.</summary>
    public const int MinKeySizeInBytes = 16;

    private const int TimeSize = sizeof(uint);
    private const int MacSize = 16;
    private const int AddressSize = (2 * sizeof(ulong)) + sizeof(uint) + sizeof(ushort);
    private const int DefaultKeySize = 32;

    private static readonly TimeSpan s_shortestLifetime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestLifetime = TimeSpan.FromDays(1);

    private readonly Lock _rotating = new();
    private readonly TimeProvider _clock;
    private readonly uint _lifetimeInSeconds;

    // Replaced as one, so that a reader has both of one rotation.
    private volatile Keys _keys;

    /// <summary>Makes and checks cookies.</summary>
    /// <param name="key">
    /// Secret and random: from 16 bytes; 32 are best. It is copied. Default, and empty, a random one, which only this process knows; servers that check the cookies of each other need one key, and
    /// clocks that agree within the lifetime.
    /// </param>
    /// <param name="lifetime">How long a cookie is valid: whole seconds, from one to a day. Default 30 seconds.</param>
    /// <param name="clock">Default the system's.</param>
    /// <exception cref="ArgumentException">The key is too short.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The lifetime is none of these.</exception>
    public DatagramCookies(ReadOnlySpan<byte> key = default, TimeSpan? lifetime = null, TimeProvider? clock = null)
    {
        var time = lifetime ?? TimeSpan.FromSeconds(30);
        if (time < s_shortestLifetime || time > s_longestLifetime || time.Ticks % TimeSpan.TicksPerSecond != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(lifetime), time, $"The lifetime of a cookie is a time of whole seconds from {s_shortestLifetime} to {s_longestLifetime}.");
        }

        _clock = clock ?? TimeProvider.System;
        _lifetimeInSeconds = (uint)time.TotalSeconds;
        _keys = new Keys(key.IsEmpty ? RandomNumberGenerator.GetBytes(DefaultKeySize) : Copy(key), null);
    }

    /// <summary>Takes a new random key. Cookies of the one before stay valid for the rest of their time; those of the one before that do not, so that a rotation should be a lifetime after the last.</summary>
    public void RotateKey() => RotateKey(RandomNumberGenerator.GetBytes(DefaultKeySize));

    /// <summary>Takes a new key, as <see cref="RotateKey()"/> does.</summary>
    /// <param name="key">Secret and random: from 16 bytes. It is copied.</param>
    /// <exception cref="ArgumentException">It is too short.</exception>
    public void RotateKey(ReadOnlySpan<byte> key)
    {
        var current = Copy(key);
        lock (_rotating)
        {
            _keys = new Keys(current, _keys.Current);
        }
    }

    /// <summary>Writes a cookie for an address, valid from now on.</summary>
    /// <param name="destination">Gets <see cref="SizeInBytes"/> bytes.</param>
    /// <param name="address">That of the peer, with its port.</param>
    /// <param name="data">What the cookie is bound to beside: it is valid with the same bytes only. Up to <see cref="MaxDataSizeInBytes"/>.</param>
    /// <returns>False if the destination is too short: nothing is written then.</returns>
    /// <exception cref="ArgumentException">The data is too long.</exception>
    public bool TryWrite(Span<byte> destination, in DatagramAddress address, ReadOnlySpan<byte> data = default)
    {
        CheckData(data);
        if (destination.Length < SizeInBytes)
        {
            return false;
        }

        var now = Now();
        BinaryPrimitives.WriteUInt32BigEndian(destination, now);
        Compute(_keys.Current, now, in address, data, destination.Slice(TimeSize, MacSize));
        return true;
    }

    /// <summary>Whether the bytes are a cookie that was written for this address and data, with the key or the one before, and no longer ago than the lifetime.</summary>
    /// <param name="cookie">What the peer has sent. Compared in a time that does not depend on its bytes.</param>
    /// <param name="address">That of the peer, with its port.</param>
    /// <param name="data">As it was written.</param>
    /// <remarks>A cookie from the future, as after a step of the clock, is valid as far ahead as the lifetime.</remarks>
    /// <exception cref="ArgumentException">The data is too long.</exception>
    public bool IsValid(ReadOnlySpan<byte> cookie, in DatagramAddress address, ReadOnlySpan<byte> data = default)
    {
        CheckData(data);
        if (cookie.Length != SizeInBytes)
        {
            return false;
        }

        // The distance is right across the end of the 32 bits, in 2106.
        var written = BinaryPrimitives.ReadUInt32BigEndian(cookie);
        if (Math.Abs((long)(int)(Now() - written)) > _lifetimeInSeconds)
        {
            return false;
        }

        var keys = _keys;
        return IsOf(keys.Current, written, cookie, in address, data)
            || (keys.Previous is { } previous && IsOf(previous, written, cookie, in address, data));
    }

    private static bool IsOf(byte[] key, uint written, ReadOnlySpan<byte> cookie, in DatagramAddress address, ReadOnlySpan<byte> data)
    {
        Span<byte> mac = stackalloc byte[MacSize];
        Compute(key, written, in address, data, mac);
        return CryptographicOperations.FixedTimeEquals(mac, cookie[TimeSize..]);
    }

    private static void Compute(byte[] key, uint time, in DatagramAddress address, ReadOnlySpan<byte> data, Span<byte> mac)
    {
        Span<byte> input = stackalloc byte[TimeSize + AddressSize + MaxDataSizeInBytes];
        BinaryPrimitives.WriteUInt32BigEndian(input, time);
        BinaryPrimitives.WriteUInt64BigEndian(input[4..], address.UpperBits);
        BinaryPrimitives.WriteUInt64BigEndian(input[12..], address.LowerBits);
        BinaryPrimitives.WriteUInt32BigEndian(input[20..], address.ScopeId);
        BinaryPrimitives.WriteUInt16BigEndian(input[24..], address.Port);

        // What comes before has always one length: no two inputs are one.
        data.CopyTo(input[(TimeSize + AddressSize)..]);
        Span<byte> whole = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, input[..(TimeSize + AddressSize + data.Length)], whole);
        whole[..MacSize].CopyTo(mac);
    }

    private static byte[] Copy(ReadOnlySpan<byte> key) =>
        key.Length >= MinKeySizeInBytes
            ? key.ToArray()
            : throw new ArgumentException($"The key has {key.Length} bytes; it needs {MinKeySizeInBytes} at least, and 32 are best.", nameof(key));

    private static void CheckData(ReadOnlySpan<byte> data)
    {
        if (data.Length > MaxDataSizeInBytes)
        {
            throw new ArgumentException($"The data has {data.Length} bytes; a cookie takes {MaxDataSizeInBytes} at most.", nameof(data));
        }
    }

    // The last 32 bits of it.
    private uint Now() => unchecked((uint)_clock.GetUtcNow().ToUnixTimeSeconds());

    private sealed record Keys(byte[] Current, byte[]? Previous);
}

using System.Net;
using Microsoft.Extensions.Time.Testing;

namespace Peregrine.Middleware.Tests.Sessions;

public sealed class DatagramCookiesTests
{
    private static readonly byte[] s_key = [.. Enumerable.Range(0, 32).Select(static i => (byte)i)];
    private static readonly DatagramAddress s_peer = new(0xC000_0201, 7000);

    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public void A_cookie_is_valid_for_its_address_until_its_time_is_over()
    {
        var cookies = new DatagramCookies(s_key, TimeSpan.FromSeconds(10), _clock);
        var cookie = Write(cookies, s_peer);
        Assert.True(cookies.IsValid(cookie, s_peer));
        _clock.Advance(TimeSpan.FromSeconds(10));
        Assert.True(cookies.IsValid(cookie, s_peer));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.False(cookies.IsValid(cookie, s_peer));
    }

    [Fact]
    public void A_cookie_is_of_one_address_one_port_and_one_scope()
    {
        var cookies = new DatagramCookies(s_key, clock: _clock);
        var linkLocal = new DatagramAddress(0xFE80_0000_0000_0000, 1, 7000, scope: 2);
        Assert.False(cookies.IsValid(Write(cookies, s_peer), s_peer.WithPort(7001)));
        Assert.False(cookies.IsValid(Write(cookies, s_peer), new DatagramAddress(0xC000_0202, 7000)));
        Assert.False(cookies.IsValid(Write(cookies, linkLocal), new DatagramAddress(0xFE80_0000_0000_0000, 1, 7000, scope: 3)));
        Assert.True(cookies.IsValid(Write(cookies, linkLocal), linkLocal));

        // One address, by whichever socket it came.
        Assert.True(cookies.IsValid(Write(cookies, s_peer), new DatagramAddress(new IPEndPoint(IPAddress.Parse("::ffff:192.0.2.1"), 7000))));
    }

    [Fact]
    public void Every_bit_of_a_cookie_counts()
    {
        var cookies = new DatagramCookies(s_key, clock: _clock);
        var cookie = Write(cookies, s_peer);
        for (var bit = 0; bit < 8 * cookie.Length; bit++)
        {
            cookie[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(cookies.IsValid(cookie, s_peer));
            cookie[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.True(cookies.IsValid(cookie, s_peer));
        Assert.False(cookies.IsValid(cookie.AsSpan(1), s_peer));
        Assert.False(cookies.IsValid([.. cookie, 0], s_peer));
        Assert.False(cookies.IsValid([], s_peer));
    }

    [Fact]
    public void A_cookie_is_bound_to_its_data()
    {
        var cookies = new DatagramCookies(s_key, clock: _clock);
        var cookie = Write(cookies, s_peer, [1, 2]);
        Assert.True(cookies.IsValid(cookie, s_peer, [1, 2]));
        Assert.False(cookies.IsValid(cookie, s_peer, [1, 3]));
        Assert.False(cookies.IsValid(cookie, s_peer, [1, 2, 0]));
        Assert.False(cookies.IsValid(cookie, s_peer));
    }

    [Fact]
    public void Cookies_of_another_key_are_not_valid_and_those_of_the_same_key_are()
    {
        var cookie = Write(new DatagramCookies(s_key, clock: _clock), s_peer);
        Assert.True(new DatagramCookies(s_key, clock: _clock).IsValid(cookie, s_peer));
        Assert.False(new DatagramCookies(clock: _clock).IsValid(cookie, s_peer));
    }

    [Fact]
    public void A_rotation_keeps_the_key_before_and_no_more()
    {
        var cookies = new DatagramCookies(clock: _clock);
        var cookie = Write(cookies, s_peer);
        cookies.RotateKey();
        Assert.True(cookies.IsValid(cookie, s_peer));
        Assert.True(cookies.IsValid(Write(cookies, s_peer), s_peer));
        cookies.RotateKey(s_key);
        Assert.False(cookies.IsValid(cookie, s_peer));
    }

    [Fact]
    public void A_cookie_from_further_ahead_than_the_lifetime_is_not_valid()
    {
        var ahead = new FakeTimeProvider(_clock.GetUtcNow() + TimeSpan.FromSeconds(11));
        var cookies = new DatagramCookies(s_key, TimeSpan.FromSeconds(10), _clock);
        Assert.False(cookies.IsValid(Write(new DatagramCookies(s_key, clock: ahead), s_peer), s_peer));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.True(cookies.IsValid(Write(new DatagramCookies(s_key, clock: ahead), s_peer), s_peer));
    }

    [Fact]
    public void A_lifetime_is_right_across_the_end_of_32_bits()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.FromUnixTimeSeconds(uint.MaxValue - 1L));
        var cookies = new DatagramCookies(s_key, TimeSpan.FromSeconds(10), clock);
        var cookie = Write(cookies, s_peer);
        clock.Advance(TimeSpan.FromSeconds(9));
        Assert.True(cookies.IsValid(cookie, s_peer));
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.False(cookies.IsValid(cookie, s_peer));
    }

    [Fact]
    public void What_cannot_be_is_refused()
    {
        var cookies = new DatagramCookies();
        Assert.False(cookies.TryWrite(new byte[DatagramCookies.SizeInBytes - 1], s_peer));
        Assert.Throws<ArgumentException>(() => cookies.TryWrite(new byte[64], s_peer, new byte[DatagramCookies.MaxDataSizeInBytes + 1]));
        Assert.Throws<ArgumentException>(() => new DatagramCookies(new byte[DatagramCookies.MinKeySizeInBytes - 1]));
        Assert.Throws<ArgumentException>(() => cookies.RotateKey([]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramCookies(lifetime: TimeSpan.FromMilliseconds(1500)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DatagramCookies(lifetime: TimeSpan.FromDays(2)));
    }

    [Fact]
    public void Cookies_allocate_nothing()
    {
        var cookies = new DatagramCookies(clock: TimeProvider.System);
        var cookie = Write(cookies, s_peer);
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                cookies.TryWrite(cookie, s_peer, [1]);
                cookies.IsValid(cookie, s_peer, [1]);
            }
        }));
    }

    private static byte[] Write(DatagramCookies cookies, DatagramAddress address, ReadOnlySpan<byte> data = default)
    {
        var cookie = new byte[DatagramCookies.SizeInBytes];
        Assert.True(cookies.TryWrite(cookie, in address, data));
        return cookie;
    }
}

using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Tests.Endpoints;

public sealed class EndpointUrlTests
{
    private static readonly PassedSockets NoSockets = new(_ => null, 1);

    [Theory]
    [InlineData("tcp://127.0.0.1:7000", "127.0.0.1:7000")]
    [InlineData("TCP://10.0.0.1:0", "10.0.0.1:0")]
    [InlineData("tcp://[::1]:65535", "[::1]:65535")]
    [InlineData("tcp://[::]:80", "[::]:80")]
    [InlineData("tcp://0.0.0.0:80", "0.0.0.0:80")]
    [InlineData("tcp://localhost:80", "127.0.0.1:80", "[::1]:80")]
    [InlineData("tcp://*:80", "[::]:80")]
    public void A_tcp_url_names_addresses(string url, params string[] expected)
    {
        Assert.True(EndpointUrl.TryParse(url, NoSockets, out var addresses, out _));
        Assert.Equal(expected, addresses.Select(address => address.ToString()));
    }

    [Theory]
    [InlineData("udp://127.0.0.1:7000", "127.0.0.1:7000")]
    [InlineData("UDP://[::1]:0", "[::1]:0")]
    [InlineData("udp://localhost:80", "127.0.0.1:80", "[::1]:80")]
    [InlineData("udp://*:80", "[::]:80")]
    public void A_udp_url_names_addresses_of_datagrams(string url, params string[] expected)
    {
        Assert.True(EndpointUrl.TryParseDatagrams(url, out var addresses, out _));
        Assert.Equal(expected, addresses.Select(address => address.ToString()));
        Assert.False(EndpointUrl.TryParse(url, NoSockets, out _, out var problem));
        Assert.Contains("ListenUdp", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "udp://host:port")]
    [InlineData("http://127.0.0.1:80", "udp://host:port")]
    [InlineData("tcp://127.0.0.1:80", "is one of datagrams")]
    [InlineData("unix:@name", "is one of datagrams")]
    [InlineData("fd://3", "is one of datagrams")]
    [InlineData("systemd://echo", "is one of datagrams")]
    [InlineData("udp://127.0.0.1", "udp://host:port")]
    [InlineData("udp://127.0.0.1:65536", "65535")]
    [InlineData("udp://localhost:0", "udp://127.0.0.1:0")]
    [InlineData("udp://example.com:53", "example.com")]
    public void Anything_else_is_refused_for_datagrams(string url, string expected)
    {
        Assert.False(EndpointUrl.TryParseDatagrams(url, out var addresses, out var problem));
        Assert.Null(addresses);
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fd://3", 3)]
    [InlineData("FD://0", 0)]
    public void A_descriptor_is_inherited(string url, ulong expected)
    {
        Assert.True(EndpointUrl.TryParse(url, NoSockets, out var addresses, out _));
        Assert.Equal(expected, Assert.IsType<FileHandleEndPoint>(Assert.Single(addresses)).FileHandle);
    }

    [Fact]
    public void A_systemd_url_is_every_socket_of_its_name()
    {
        var passed = PassedSocketsTests.Passed("7", "3", "echo:admin:echo", processId: 7);
        Assert.True(EndpointUrl.TryParse("systemd://echo", passed, out var addresses, out _));
        Assert.Equal([3UL, 5UL], addresses.Select(address => Assert.IsType<FileHandleEndPoint>(address).FileHandle));
        Assert.False(EndpointUrl.TryParse("systemd://Echo", passed, out _, out var problem));
        Assert.Contains("\"echo\", \"admin\"", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("unix:///run/app.sock", "/run/app.sock")]
    [InlineData("unix:@name", "@name")]
    public void A_unix_url_names_a_path(string url, string expected)
    {
        Assert.True(EndpointUrl.TryParse(url, NoSockets, out var addresses, out _));
        var address = Assert.Single(addresses);
        Assert.IsType<UnixDomainSocketEndPoint>(address);
        Assert.Equal(expected, address.ToString());
        Assert.Equal(url, EndpointUrl.Of(address));
    }

    [Theory]
    [InlineData("", "tcp://")]
    [InlineData("7000", "tcp://")]
    [InlineData("http://127.0.0.1:80", "tcp://")]
    [InlineData("tcp:/127.0.0.1:80", "tcp://")]
    [InlineData("tcp://", "port is missing")]
    [InlineData("tcp://127.0.0.1", "port is missing")]
    [InlineData("tcp://[::1]", "port is missing")]
    [InlineData("tcp://127.0.0.1:", "65535")]
    [InlineData("tcp://127.0.0.1:-1", "65535")]
    [InlineData("tcp://127.0.0.1:65536", "65535")]
    [InlineData("tcp://127.0.0.1:80/path", "65535")]
    [InlineData("tcp://127.0.0.1: 80", "65535")]
    [InlineData("tcp://::1:80", "brackets")]
    [InlineData("tcp://[127.0.0.1]:80", "brackets")]
    [InlineData("tcp://example.com:80", "example.com")]
    [InlineData("tcp://:80", "host")]
    [InlineData("tcp://localhost:0", "127.0.0.1")]
    [InlineData("unix:/run/app.sock", "unix:///path")]
    [InlineData("unix://relative", "unix:///path")]
    [InlineData("unix:///", "empty")]
    [InlineData("unix:@", "empty")]
    [InlineData("fd://", "fd://3")]
    [InlineData("fd://-1", "fd://3")]
    [InlineData("fd://2147483648", "fd://3")]
    [InlineData("fd://3/", "fd://3")]
    [InlineData("systemd://echo", "LISTEN_FDS")]
    [InlineData("unix:///1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890/12345678", "107")]
    public void Anything_else_is_refused_with_what_helps(string url, string expected)
    {
        Assert.False(EndpointUrl.TryParse(url, NoSockets, out var addresses, out var problem));
        Assert.Null(addresses);
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }
}

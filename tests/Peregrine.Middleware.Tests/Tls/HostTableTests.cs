using Peregrine.Middleware.Tls;

namespace Peregrine.Middleware.Tests.Tls;

public sealed class HostTableTests
{
    private static readonly HostTable<string> s_table = new(
        ((string[])["example.com", "*.example.com", "a.example.com", "*.b.example.com", "xn--mnchen-3ya.de"]).Select(name => KeyValuePair.Create(name, name)),
        "Tls:Hosts");

    [Theory]
    [InlineData("example.com", "example.com")]
    [InlineData("example.com.", "example.com")]
    [InlineData("eXample.COM", "example.com")]
    [InlineData("a.example.com", "a.example.com")]
    [InlineData("b.example.com", "*.example.com")]
    [InlineData("c.b.example.com", "*.b.example.com")]
    [InlineData("d.c.b.example.com", null)]
    [InlineData("c.a.example.com", null)]
    [InlineData(".example.com", null)]
    [InlineData("com", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    [InlineData("xn--mnchen-3ya.de", "xn--mnchen-3ya.de")]
    [InlineData("münchen.de", "xn--mnchen-3ya.de")]
    public void A_name_finds_the_most_specific_that_is_for_it(string? name, string? expected)
    {
        s_table.TryFind(name, out var found);
        Assert.Equal(expected, found);
    }

    [Theory]
    [InlineData("example.com", "example.com.")]
    [InlineData("example.com", "EXAMPLE.com")]
    [InlineData("*.münchen.de", "*.xn--mnchen-3ya.de")]
    public void Two_forms_of_one_name_are_refused(string one, string other)
    {
        var thrown = Assert.Throws<InvalidOperationException>(
            () => new HostTable<string>([KeyValuePair.Create(one, one), KeyValuePair.Create(other, other)], "Tls:Hosts"));
        Assert.Contains($"\"{other}\"", thrown.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("*")]
    [InlineData("*.")]
    [InlineData("a.*.com")]
    [InlineData("*a.com")]
    [InlineData("")]
    [InlineData("https://example.com")]
    [InlineData("127.0.0.1")]
    public void What_is_no_name_is_refused(string name) =>
        Assert.Throws<InvalidOperationException>(() => new HostTable<string>([KeyValuePair.Create(name, name)], "Tls:Hosts"));
}

using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Tests.Endpoints;

public sealed class PassedSocketsTests
{
    internal static PassedSockets Passed(string? passedTo, string? count, string? names, int processId) => new(
        name => name switch
        {
            "LISTEN_PID" => passedTo,
            "LISTEN_FDS" => count,
            "LISTEN_FDNAMES" => names,
            _ => null,
        },
        processId);

    [Fact]
    public void They_are_numbered_from_three_on()
    {
        var passed = Passed("7", "2", "echo:", 7);
        Assert.Equal([("echo", 3), ("", 4)], passed.All);
        Assert.Equal([3], passed.Find("echo", out var problem));
        Assert.Null(problem);
    }

    [Fact]
    public void Without_names_their_name_is_unknown() => Assert.Equal([3, 4], Passed("7", "2", null, 7).Find("unknown", out _));

    [Theory]
    [InlineData(null, null, null, "LISTEN_FDS are not set")]
    [InlineData("7", null, null, "LISTEN_FDS are not set")]
    [InlineData(null, "1", "echo", "LISTEN_FDS are not set")]
    [InlineData("8", "1", "echo", "the process 8 (LISTEN_PID), and this is 7")]
    [InlineData("7", "one", "echo", "LISTEN_FDS = \"one\"")]
    [InlineData("7", "-1", "echo", "LISTEN_FDS = \"-1\"")]
    [InlineData("7", "2147483647", "echo", "LISTEN_FDS = \"2147483647\"")]
    [InlineData("7", "2", "echo", "LISTEN_FDNAMES = \"echo\"")]
    [InlineData("7", "1", "other", "no socket was passed with the name \"echo\"; there are \"other\"")]
    public void What_is_wrong_with_them_is_said(string? passedTo, string? count, string? names, string expected)
    {
        Assert.Empty(Passed(passedTo, count, names, 7).Find("echo", out var problem));
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }
}

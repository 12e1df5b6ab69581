using Peregrine.Sockets.Linux;

namespace Peregrine.Sockets.Tests.Linux;

public sealed class CpuQuotaTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("peregrine-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory]
    [InlineData("50000 100000\n", true)]
    [InlineData("max 100000\n", false)]
    public void Of_a_container_it_is_that_of_the_group_that_is_mounted(string limit, bool isSet)
    {
        Write("cpu.max", limit);
        Assert.Equal(isSet, IsSet("0::/\n"));
    }

    [Theory]
    [InlineData("system.slice/echo.service/cpu.max")]
    [InlineData("system.slice/cpu.max")]
    public void Of_a_service_it_is_that_of_any_group_around_it(string file)
    {
        Write("system.slice/echo.service/cpu.max", "max 100000\n");
        Write("other.slice/cpu.max", "1000 100000\n");
        Assert.False(IsSet("0::/system.slice/echo.service\n"));
        Write(file, "20000 100000\n");
        Assert.True(IsSet("0::/system.slice/echo.service\n"));
    }

    [Theory]
    [InlineData("50000\n", true)]
    [InlineData("-1\n", false)]
    [InlineData("what\n", false)]
    public void Of_version_1_it_is_a_number_above_zero(string quota, bool isSet)
    {
        Write("cpu/cpu.cfs_quota_us", quota);
        Assert.Equal(isSet, IsSet("4:cpu,cpuacct:/\n0::/\n"));
    }

    [Fact]
    public void Where_nothing_can_be_read_there_is_none()
    {
        Assert.False(IsSet(""));
        Assert.False(CpuQuota.IsSetAt(_root, Path.Combine(_root, "nothing")));
    }

    private bool IsSet(string membership)
    {
        Write("membership", membership);
        return CpuQuota.IsSetAt(_root, Path.Combine(_root, "membership"));
    }

    private void Write(string file, string text)
    {
        var path = Path.Combine(_root, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}

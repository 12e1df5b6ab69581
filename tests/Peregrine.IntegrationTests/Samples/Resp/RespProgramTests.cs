using Peregrine.IntegrationTests.Processes;

namespace Peregrine.IntegrationTests.Samples.Resp;

/// <summary>What Redis' own programs do with the sample.</summary>
public sealed class RespProgramTests
{
    [RequiresProgramFact("redis-cli")]
    public async Task Redis_cli_sets_and_gets()
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        var cli = $"redis-cli -p {endPoint.Port}";
        Assert.Equal(
            "OK\nvalue\n1\n-1\n2\n-2\n\nPONG\n",
            await ClientProcess.RunShellAsync($"for c in 'SET key value' 'GET key' 'INCR count' 'TTL key' 'DEL key count' 'TTL key' 'GET key' PING; do {cli} $c; done"));
        Assert.Contains("ERR wrong number of arguments for 'get' command", await ClientProcess.RunShellAsync(cli + " GET"), StringComparison.Ordinal);
        Assert.Contains("unknown command 'NOSUCH', with args beginning with: 'a'", await ClientProcess.RunShellAsync(cli + " NOSUCH a"), StringComparison.Ordinal);
        Assert.Contains("redis_mode:standalone", await ClientProcess.RunShellAsync(cli + " INFO server"), StringComparison.Ordinal);
    }

    [RequiresProgramFact("redis-cli")]
    public async Task Redis_cli_speaks_resp3()
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        var cli = $"redis-cli -3 --no-raw -p {endPoint.Port}";
        Assert.Contains("3# \"proto\" => (integer) 3", await ClientProcess.RunShellAsync(cli + " HELLO"), StringComparison.Ordinal);
        Assert.Equal("1# \"appendonly\" => \"no\"\n", await ClientProcess.RunShellAsync(cli + " CONFIG GET appendonly"));
        Assert.Equal("(nil)\n", await ClientProcess.RunShellAsync(cli + " GET missing"));
    }

    [RequiresProgramFact("redis-cli")]
    public async Task Redis_cli_pipes_a_hundred_thousand_commands()
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        var output = await ClientProcess.RunShellAsync(
            $$"""awk 'BEGIN { for (i = 0; i < 100000; i++) printf "*3\r\n$3\r\nSET\r\n$9\r\nkey%06d\r\n$5\r\nvalue\r\n", i }' | redis-cli -p {{endPoint.Port}} --pipe""");
        Assert.Contains("errors: 0, replies: 100000", output, StringComparison.Ordinal);
        Assert.Equal("100000\n", await ClientProcess.RunShellAsync($"redis-cli -p {endPoint.Port} DBSIZE"));
    }

    [RequiresProgramFact("redis-cli")]
    public async Task Redis_cli_subscribes_in_both_versions()
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        foreach (var version in (int[])[2, 3])
        {
            // It says when it is subscribed; then somebody publishes; and when the message is there, it is over.
            var output = await ClientProcess.RunShellAsync(
                $$"""
                folder=$(mktemp -d); mkfifo "$folder/output"
                redis-cli -{{version}} -p {{endPoint.Port}} SUBSCRIBE news >"$folder/output" 2>/dev/null & subscriber=$!
                while read -r line; do
                    echo "$line"
                    [ "$line" != 1 ] || redis-cli -p {{endPoint.Port}} PUBLISH news hello >/dev/null
                    [ "$line" != hello ] || kill $subscriber
                done <"$folder/output"
                rm -r "$folder"
                """);
            Assert.Equal("subscribe\nnews\n1\nmessage\nnews\nhello\n", output);
        }
    }

    [RequiresProgramFact("nc")]
    public async Task A_person_with_netcat_types_commands()
    {
        var (server, endPoint) = await RespServer.StartAsync();
        await using var _ = server;
        Assert.Equal(
            "+OK\r\n$11\r\nhello world\r\n+OK\r\n",
            await ClientProcess.RunShellAsync($"""printf 'set greeting "hello world"\nget greeting\nquit\n' | nc -N {endPoint.Address} {endPoint.Port}"""));
    }

    [RequiresProgramFact("redis-benchmark")]
    public async Task Redis_benchmark_runs()
    {
        foreach (var scheduling in (string[])["Inline", "EventLoop", "ThreadPool"])
        {
            var (server, endPoint) = await RespServer.StartAsync($"--Peregrine:Endpoints:resp:Scheduling={scheduling}");
            await using var _ = server;
            var output = await ClientProcess.RunShellAsync($"redis-benchmark -p {endPoint.Port} -t ping,set,get,incr,mset -c 20 -n 5000 -P 16 -r 1000 -q 2>&1");
            Assert.Equal(6, output.Split("requests per second").Length - 1);
            Assert.DoesNotContain("rror", output, StringComparison.Ordinal);
        }
    }
}

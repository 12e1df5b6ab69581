using System.Diagnostics;

namespace Peregrine.IntegrationTests.Processes;

/// <summary>
/// Two machines, as network namespaces: a server's and its clients', joined by a wire that carries 100 Mbit/s towards the clients. Their kernels
/// take 3 MB that a client does not read. Disposed, they are gone.
/// </summary>
internal sealed class NetworkNamespaces : IAsyncDisposable
{
    private static int s_count;

    private readonly string _server = NewName();
    private readonly string _clients = NewName();

    private NetworkNamespaces()
    {
    }

    /// <summary>The server's, of a network that is for examples (RFC 5737).</summary>
    public static string ServerAddress => "192.0.2.1";

    /// <summary>What a command line begins with to run there.</summary>
    public string[] OnServer => ["ip", "netns", "exec", _server];

    /// <inheritdoc cref="OnServer"/>
    public string[] OnClients => ["ip", "netns", "exec", _clients];

    /// <summary>Null if they can be made here, or what is in the way.</summary>
    public static string? Problem { get; } = FindProblem();

    public static async Task<NetworkNamespaces> CreateAsync()
    {
        var pair = new NetworkNamespaces();
        try
        {
            await ClientProcess.RunShellAsync(pair.Setup());
            return pair;
        }
        catch
        {
            await pair.DisposeAsync();
            throw;
        }
    }

    /// <summary>The server's machine is gone, and all of its sockets, without another packet.</summary>
    public Task DeleteServerAsync() => ClientProcess.RunShellAsync($"ip -n {_server} link delete eth0 && ip netns delete {_server}");

    public async ValueTask DisposeAsync() =>
        await ClientProcess.RunShellAsync($"for n in {_server} {_clients}; do [ ! -e /run/netns/$n ] || ip netns delete $n; done");

    private string Setup() =>
        $"""
        set -e
        exec 2>&1
        ip netns add {_server}
        ip netns add {_clients}
        ip link add name eth0 netns {_server} type veth peer name eth0 netns {_clients}
        ip -n {_server} address add {ServerAddress}/24 dev eth0
        ip -n {_clients} address add 192.0.2.2/24 dev eth0
        ip -n {_server} link set eth0 up
        ip -n {_clients} link set eth0 up
        tc -n {_server} qdisc add dev eth0 root tbf rate 100mbit burst 64kb latency 200ms
        ip netns exec {_clients} sh -c 'echo 4096 6291456 6291456 > /proc/sys/net/ipv4/tcp_rmem'
        """;

    private static string NewName() => $"peregrine-{Environment.ProcessId}-{Interlocked.Increment(ref s_count)}";

    /// <summary>By trying: root need not be enough, in a container for example.</summary>
    private static string? FindProblem()
    {
        var pair = new NetworkNamespaces();
        try
        {
            using var attempt = Process.Start(new ProcessStartInfo("sh", ["-c", pair.Setup()]) { RedirectStandardOutput = true })!;
            var said = attempt.StandardOutput.ReadToEnd();
            attempt.WaitForExit();
            return attempt.ExitCode == 0 ? null : said.Trim();
        }
        finally
        {
            pair.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }
}

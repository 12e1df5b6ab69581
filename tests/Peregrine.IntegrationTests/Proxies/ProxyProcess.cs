using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Peregrine.IntegrationTests.Ends;

namespace Peregrine.IntegrationTests.Proxies;

/// <summary>A proxy as a process of its own, with its configuration in a folder of its own. Disposed, both are gone.</summary>
internal sealed class ProxyProcess : IAsyncDisposable
{
    /// <summary>Clients do not come from this address: a port that is free on it is not that of one of them.</summary>
    public static readonly IPAddress OwnAddress = IPAddress.Parse("127.0.79.1");

    private readonly Process _process;
    private readonly DirectoryInfo _folder;
    private readonly ConcurrentQueue<string> _output = new();

    private ProxyProcess(Process process, DirectoryInfo folder)
    {
        _process = process;
        _folder = folder;
        _process.OutputDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.ErrorDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
    }

    public string Output => string.Join('\n', _output);

    public static DirectoryInfo CreateFolder() => Directory.CreateTempSubdirectory("peregrine-proxy-");

    /// <summary>Starts haproxy in TCP mode, and waits until it listens.</summary>
    /// <param name="folder">Is removed at the end.</param>
    /// <param name="sections">Its frontends and backends.</param>
    /// <param name="listening">Ports, and paths of sockets.</param>
    public static Task<ProxyProcess> StartHaproxyAsync(DirectoryInfo folder, string sections, params object[] listening)
    {
        var configuration = Path.Combine(folder.FullName, "haproxy.cfg");
        File.WriteAllText(
            configuration,
            $"""
            global
              maxconn 100
              nbthread 1

            defaults
              mode tcp
              timeout connect 10s
              timeout client 60s
              timeout server 60s

            {sections}

            """);
        return StartAsync(folder, ["haproxy", "-db", "-f", configuration], listening);
    }

    /// <summary>Starts nginx as a proxy of streams, and waits until it listens.</summary>
    /// <inheritdoc cref="StartHaproxyAsync"/>
    /// <param name="folder">As above.</param>
    /// <param name="server">What is in its <c>server</c>.</param>
    /// <param name="listening">As above.</param>
    public static Task<ProxyProcess> StartNginxAsync(DirectoryInfo folder, string server, params object[] listening)
    {
        var configuration = Path.Combine(folder.FullName, "nginx.conf");
        File.WriteAllText(
            configuration,
            $$"""
            load_module /usr/lib/nginx/modules/ngx_stream_module.so;
            daemon off;
            master_process off;
            pid {{folder.FullName}}/nginx.pid;
            error_log stderr;
            events { }
            stream { server { {{server}} } }

            """);
        return StartAsync(folder, ["nginx", "-p", folder.FullName, "-e", "stderr", "-c", configuration], listening);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
        _folder.Delete(recursive: true);
    }

    private static async Task<ProxyProcess> StartAsync(DirectoryInfo folder, string[] command, object[] listening)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder.FullName };
        var proxy = new ProxyProcess(new Process { StartInfo = start }, folder);
        try
        {
            proxy._process.Start();
            proxy._process.BeginOutputReadLine();
            proxy._process.BeginErrorReadLine();
            var started = Stopwatch.GetTimestamp();
            while (!listening.All(IsListening))
            {
                Assert.False(proxy._process.HasExited, $"{command[0]} ended: {proxy.Output}");
                Assert.True(Stopwatch.GetElapsedTime(started) < RealServer.Limit, $"{command[0]} does not listen: {proxy.Output}");
                await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
            }

            return proxy;
        }
        catch
        {
            await proxy.DisposeAsync();
            throw;
        }
    }

    /// <summary>Without a connection to it, which it would pass on (proc_net_tcp.txt of the kernel's documentation).</summary>
    private static bool IsListening(object where) => where is string path
        ? File.Exists(path)
        : ((string[])["/proc/net/tcp", "/proc/net/tcp6"]).SelectMany(File.ReadLines).Any(line =>
            line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var local, _, Listen, ..]
            && local.EndsWith(string.Create(CultureInfo.InvariantCulture, $":{where:X4}"), StringComparison.Ordinal));

    private const string Listen = "0A";
}

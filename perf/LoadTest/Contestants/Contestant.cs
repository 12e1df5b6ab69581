using System.Security.Cryptography.X509Certificates;
using Peregrine.LoadTest.Contestants.Datagrams;
using Peregrine.Server.Datagrams;

namespace Peregrine.LoadTest.Contestants;

/// <summary>A server that can be measured.</summary>
/// <param name="Name">Its name on the command line.</param>
/// <param name="Title">Its name in the tables.</param>
/// <param name="StartAsync">
/// Starts it on a free port of 127.0.0.1, with TLS if there is a certificate; null for one that is a program of its own, in C.
/// </param>
/// <param name="Program">The one that is a program of its own: its name, and the arguments that follow the service.</param>
/// <param name="InlineCompletions">Whether its process is started with the runtime's inline completions set in the environment.</param>
/// <param name="TakesHandlers">Whether its services are <c>ConnectionHandler</c>s, so that it serves every one.</param>
/// <param name="Tls">Whether it serves in the clear, encrypted, or both.</param>
/// <param name="IsDatagram">Whether it serves datagrams, or connections.</param>
/// <param name="IsExtra">Takes part only when it is named.</param>
internal sealed record Contestant(string Name, string Title, Func<Service, X509Certificate2?, Task<RunningServer>>? StartAsync, string[]? Program = null,
    bool InlineCompletions = false, bool TakesHandlers = false, TlsSupport Tls = TlsSupport.None, bool IsDatagram = false, bool IsExtra = false)
{
    /// <summary>What the others are compared with.</summary>
    public const string Reference = "kestrel";

    /// <summary>What none can beat by much.</summary>
    public const string Limit = "c-epoll";

    /// <summary>What the others are compared with, of those that serve datagrams.</summary>
    public const string DatagramReference = "plain-receivefrom";

    /// <summary>What none can beat by much, of those that serve datagrams.</summary>
    public const string DatagramLimit = "c-mmsg";

    /// <summary>The same, where the kernel cuts and joins datagrams for both sides.</summary>
    public const string SegmentLimit = "c-segment";

    public static readonly IReadOnlyList<Contestant> All =
    [
        Peregrine("peregrine", "Peregrine, ThreadPool", ConnectionScheduling.ThreadPool),
        Peregrine("peregrine-inline", "Peregrine, Inline", ConnectionScheduling.Inline),
        Peregrine("peregrine-eventloop", "Peregrine, EventLoop", ConnectionScheduling.EventLoop),
        Kestrel(Reference, "Kestrel", inline: false),
        Kestrel("kestrel-inline", "Kestrel, inline", inline: true),
        new("dotnetty", "DotNetty 0.7.6", (service, _) => DotNettyContestant.StartAsync(service)),
        new("raw-saea", "Raw SAEA loop, inline", (service, _) => AcceptedSockets.ServeAsync(socket => new RawSaeaConnection(socket, service).Start()),
            InlineCompletions: true),
        new("raw-sslstream", "Raw SslStream loop, inline", (_, certificate) => RawSslStreamContestant.StartAsync(certificate!),
            InlineCompletions: true, Tls: TlsSupport.Only),
        new(Limit, "C, epoll: the limit", null, ["limit"]),
        Peregrine("peregrine-logging", "Peregrine, ThreadPool, logging that is off", ConnectionScheduling.ThreadPool, logging: true),
        Peregrine("peregrine-eventloop-logging", "Peregrine, EventLoop, logging that is off", ConnectionScheduling.EventLoop, logging: true),
        Peregrine("peregrine-metrics", "Peregrine, ThreadPool, every metric on", ConnectionScheduling.ThreadPool, metrics: true),
        Peregrine("peregrine-eventloop-metrics", "Peregrine, EventLoop, every metric on", ConnectionScheduling.EventLoop, metrics: true),
        PeregrineUdp("peregrine-udp", "Peregrine UDP, ThreadPool", _ => { }),
        PeregrineUdp("peregrine-udp-inline", "Peregrine UDP, Inline", options => options.Scheduling = ConnectionScheduling.Inline),
        PeregrineUdp("peregrine-udp-eventloop", "Peregrine UDP, EventLoop", options => options.Scheduling = ConnectionScheduling.EventLoop),
        PeregrineUdp("peregrine-udp-unsegmented", "Peregrine UDP, ThreadPool, no segmentation", options => options.Segmentation = false),
        PeregrineUdp("peregrine-udp-onebyone", "Peregrine UDP, one by one", options => options.Io = DatagramIo.OneByOne),
        Datagram("dotnetty-udp", "DotNetty 0.7.6, datagrams", DotNettyDatagramContestant.StartAsync),
        Datagram(DatagramReference, "Plain ReceiveFromAsync loop", PlainSocketContestant.StartWithEndPointsAsync),
        Datagram("plain-socketaddress", "Plain loop, SocketAddress", PlainSocketContestant.StartWithSocketAddressesAsync, isExtra: true),
        Datagram("plain-blocking", "Plain loop, blocking thread", PlainSocketContestant.StartBlockingAsync, isExtra: true),
        new(DatagramLimit, "C, recvmmsg and sendmmsg: the limit", null, ["limit-udp"], IsDatagram: true),
        new(SegmentLimit, "C, the same with UDP_GRO and UDP_SEGMENT: its limit", null, ["limit-udp", "segment"], IsDatagram: true),
    ];

    /// <summary>Those that take part when none is named.</summary>
    public static readonly IReadOnlyList<Contestant> Usual = [.. All.Where(contestant => !contestant.IsExtra)];

    public bool IsManaged => StartAsync is not null;

    /// <summary>The names of those that take part only when they are named.</summary>
    public static string ExtraNames => string.Join(", ", All.Where(contestant => contestant.IsExtra).Select(contestant => contestant.Name));

    public static string Names => string.Join(", ", All.Select(contestant => contestant.Name));

    public static Contestant? Find(string name) => All.FirstOrDefault(contestant => contestant.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    private static Contestant Peregrine(string name, string title, ConnectionScheduling scheduling, bool logging = false, bool metrics = false) => new(
        name, title, (service, certificate) => PeregrineContestant.StartAsync(service, certificate, scheduling, logging, metrics),
        TakesHandlers: true, Tls: TlsSupport.Both, IsExtra: logging || metrics);

    private static Contestant PeregrineUdp(string name, string title, Action<DatagramEndpointOptions> configure) =>
        Datagram(name, title, service => PeregrineDatagramContestant.StartAsync(service, configure));

    private static Contestant Datagram(string name, string title, Func<Service, Task<RunningServer>> start, bool isExtra = false) =>
        new(name, title, (service, _) => start(service), IsDatagram: true, IsExtra: isExtra);

    private static Contestant Kestrel(string name, string title, bool inline) => new(
        name, title, (service, certificate) => KestrelContestant.StartAsync(service, certificate, inline), InlineCompletions: inline, TakesHandlers: true, Tls: TlsSupport.Both);
}

using Peregrine.Server.Limits;

namespace Peregrine.Server.Hosting;

/// <summary>
/// How many connections the descriptors of the process are enough for. Without one, a thread cannot start and a file cannot be opened: the process
/// would not survive it, so the connections stop before.
/// </summary>
/// <param name="Limit">How many descriptors the process may have; null where the system does not tell.</param>
/// <param name="Open">How many it had at the start.</param>
/// <param name="IsBinding">Whether connections are sockets of our own, so that more of them than there are descriptors for are a mistake.</param>
internal sealed record DescriptorBudget(long? Limit, int Open, bool IsBinding)
{
    /// <summary>For listeners, log files, libraries, the runtime, and connections that the application makes itself.</summary>
    public const int Kept = 256;

    /// <summary>Where the system does not tell.</summary>
    private const int Unknown = 65_536;

    private const string Setting = $"{ServerSettings.Root}:Limits:{nameof(ServerLimits.MaxConnections)}";
    private const string Remedy = "raise the limit (ulimit -n, LimitNOFILE= of systemd.exec(5), --ulimit nofile= of a container)";

    /// <summary>How many connections there are descriptors for.</summary>
    public int Connections => Limit is { } limit ? (int)Math.Clamp(limit - Open - Kept, 0, int.MaxValue) : Unknown;

    /// <summary>Completes what is not set.</summary>
    /// <exception cref="PeregrineStartException">There are not as many descriptors.</exception>
    public void Apply(ServerLimits limits)
    {
        if (Connections < 1 && IsBinding)
        {
            throw new PeregrineStartException(
                $"{Setting}: the process may have {Limit} descriptors (RLIMIT_NOFILE), of which {Open} are open and {Kept} are kept back, which leaves none for connections; {Remedy}.");
        }

        if (IsBinding && limits.MaxConnections > Connections)
        {
            throw new PeregrineStartException(
                $"{Setting} = \"{limits.MaxConnections}\": there are descriptors for {Connections} connections: the process may have {Limit} (RLIMIT_NOFILE), of which {Open} were open at the start and {Kept} are kept back; set at most {Connections}, or {Remedy}.");
        }

        limits.MaxConnections ??= Connections < 1 ? Unknown : Connections;
        limits.MaxConnectionsPerAddress ??= Math.Max(1, limits.MaxConnections.Value / 2);
    }
}

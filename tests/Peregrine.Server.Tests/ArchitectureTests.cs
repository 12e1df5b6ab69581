using System.Xml.Linq;
using Peregrine.Middleware;
using Peregrine.Server.Admin;
using Peregrine.Server.Datagrams;
using Peregrine.Server.Endpoints;
using Peregrine.Server.Health;
using Peregrine.Server.Limits;
using Peregrine.Server.Timeouts;

namespace Peregrine.Server.Tests;

/// <summary>Dependencies point one way.</summary>
public sealed class ArchitectureTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Peregrine.Abstractions"] = ["Microsoft.AspNetCore.Connections.Abstractions"],
        ["Peregrine.Sockets"] =
        [
            "Peregrine.Abstractions", "Microsoft.Extensions.Logging.Abstractions", "Microsoft.Extensions.Options", "Microsoft.Extensions.ObjectPool",
            "System.IO.Pipelines",
        ],
        ["Peregrine.Middleware"] = ["Peregrine.Abstractions", "Microsoft.Extensions.Logging.Abstractions", "System.Threading.RateLimiting"],
        ["Peregrine.Protocols"] = ["Microsoft.AspNetCore.Connections.Abstractions", "Microsoft.Extensions.Logging.Abstractions"],
        ["Peregrine.Server"] = ["Peregrine.Abstractions", "Peregrine.Middleware", "Peregrine.Sockets", "Microsoft.Extensions.Diagnostics.HealthChecks", "Microsoft.Extensions.Hosting", "Microsoft.Extensions.Hosting.Systemd", "System.Threading.RateLimiting"],
        ["Peregrine.Top"] = ["Microsoft.Diagnostics.NETCore.Client", "Microsoft.Diagnostics.Tracing.TraceEvent", "Spectre.Console", "System.CommandLine"],
        ["Peregrine.Testing"] = ["Peregrine.Abstractions"],
    };

    private static readonly DirectoryInfo Source = new(Path.Combine(Repository.Root, "src"));

    public static TheoryData<string> Projects => [.. Source.GetDirectories("Peregrine.*").Select(directory => directory.Name)];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_references_what_it_may_and_nothing_else(string project)
    {
        var references = XDocument.Load(Path.Combine(Source.FullName, project, project + ".csproj")).Descendants()
            .Where(element => element.Name.LocalName is "ProjectReference" or "PackageReference" or "FrameworkReference")
            .Select(element => (string)element.Attribute("Include")!)
            .Select(reference => reference.EndsWith(".csproj", StringComparison.Ordinal) ? Path.GetFileNameWithoutExtension(reference) : reference);
        Assert.Empty(references.Except(Allowed[project]));
    }

    [Fact]
    public void The_server_knows_the_socket_transport_only_where_it_joins_the_host()
    {
        var files = Directory.GetFiles(Path.Combine(Source.FullName, "Peregrine.Server"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && File.ReadAllText(file).Contains("Peregrine.Sockets", StringComparison.Ordinal));
        Assert.All(files, file => Assert.Contains("/Hosting/", file, StringComparison.Ordinal));
        Assert.NotEmpty(files);
    }

    [Fact]
    public void The_README_shows_the_first_server_as_it_is()
    {
        Assert.Contains(Repository.Read("samples", "FirstServer", "Program.cs"), Repository.Read("README.md"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_page_of_the_settings_names_every_option()
    {
        var page = Repository.Read("docs", "settings.md");
        var settings = NamesOf<EndpointOptions>("").Concat(NamesOf<SocketOptions>("")).Concat(NamesOf<KeepAliveOptions>("KeepAlive:"))
            .Concat(NamesOf<CloseOptions>("")).Concat(NamesOf<PeregrineOptions>("")).Concat(NamesOf<AdminOptions>("")).Concat(NamesOf<EndpointTimeouts>(""))
            .Concat(NamesOf<ServerLimits>("")).Concat(NamesOf<HealthOptions>("Health:")).Concat(NamesOf<EndpointLimits>("")).Concat(NamesOf<AddressRules>("")).Concat(NamesOf<ProxyProtocolOptions>(""))
            .Concat(NamesOf<TlsOptions>("")).Concat(NamesOf<TlsHostOptions>("Hosts:<host>:")).Concat(NamesOf<TlsCertificateOptions>("Certificate:"))
            .Concat(NamesOf<DatagramEndpointOptions>("")).Concat(NamesOf<DatagramSocketOptions>("")).Concat(NamesOf<MulticastOptions>("Multicast:"))
            .Concat(NamesOf<MulticastGroup>("Multicast:Groups:0:"))
            .Except([nameof(EndpointOptions.Tls), nameof(TlsOptions.Certificate), nameof(TlsOptions.Hosts), "Certificate:" + nameof(TlsCertificateOptions.Value),

                // A section has a file for them, or the endpoint's own in their place; a method is code's.
                nameof(TlsOptions.TrustedRoots), nameof(TlsOptions.HandshakeTimeout), nameof(TlsOptions.ClientCertificateValidation), nameof(TlsOptions.SettingName),
                nameof(PeregrineOptions.Health), nameof(PeregrineOptions.Admin), nameof(EndpointOptions.Socket), nameof(EndpointOptions.Close), nameof(EndpointOptions.Limits), nameof(EndpointOptions.Timeouts),
                nameof(EndpointOptions.Addresses), nameof(EndpointOptions.ProxyProtocol), nameof(SocketOptions.KeepAlive), nameof(PeregrineOptions.ThrowOnStartFailure),
                nameof(DatagramSocketOptions.Multicast), "Multicast:" + nameof(MulticastOptions.Groups)]);
        Assert.All(settings, setting => Assert.Contains($"| `{setting}` |", page, StringComparison.Ordinal));

        static IEnumerable<string> NamesOf<T>(string prefix) => typeof(T).GetProperties().Select(property => prefix + property.Name);
    }
}

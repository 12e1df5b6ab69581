using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Peregrine.Server.Admin;
using Peregrine.Sockets;

namespace Peregrine.Server.Hosting;

/// <summary>Reads the section <c>Peregrine:Admin</c>, and listens as it says.</summary>
internal static class AdminSettings
{
    private const string Setting = $"{ServerSettings.Root}:{nameof(PeregrineOptions.Admin)}:{nameof(AdminOptions.Socket)}";
    private const string Expected = "the path of a file that is made, such as /run/echo/admin.sock";
    private const int Backlog = 16;

    public static void Read(IConfigurationSection section, AdminOptions options)
    {
        section.CheckKeys("admin", nameof(options.Socket));
        options.Socket = section.Read(nameof(options.Socket), options.Socket, Expected);
    }

    /// <returns>A socket that listens; null if it is off.</returns>
    /// <exception cref="PeregrineStartException">It cannot.</exception>
    public static Socket? Listen(AdminOptions options)
    {
        if (string.IsNullOrEmpty(options.Socket))
        {
            return null;
        }

        try
        {
            return OwnerSocket.Listen(options.Socket, Backlog);
        }
        catch (Exception exception) when (exception is ArgumentException or AddressInUseException or SocketException or UnauthorizedAccessException or IOException or PlatformNotSupportedException)
        {
            throw new PeregrineStartException($"{Setting} = \"{options.Socket}\": {Explain(exception, options.Socket)}", exception);
        }
    }

    private static string Explain(Exception exception, string path) => exception switch
    {
        PlatformNotSupportedException => $"{exception.Message.TrimEnd('.')}, which is what keeps others from it; remove the setting.",
        ArgumentOutOfRangeException => "the path is longer than the system takes for a socket (107 bytes on Linux); use a shorter one.",
        ArgumentException => $"it takes {Expected}; a socket in the abstract namespace has no permissions, which is what keeps others from it.",
        _ => BindFailure.Explain(exception, new UnixDomainSocketEndPoint(path)),
    };
}

using System.Globalization;

namespace Peregrine.Sockets.Linux;

/// <summary>The kernel's settings (proc_sys(5)).</summary>
internal static class Sysctl
{
    /// <summary>The value of a setting such as <c>net.core.somaxconn</c>; null where there is none, or it cannot be read.</summary>
    public static long? Read(string name)
    {
        try
        {
            var text = File.ReadAllText($"/proc/sys/{name.Replace('.', '/')}");
            return long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

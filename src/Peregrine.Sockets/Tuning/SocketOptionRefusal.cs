using System.Net.Sockets;

namespace Peregrine.Sockets.Tuning;

/// <summary>Tells what a system refuses by the option that was set.</summary>
internal static class SocketOptionRefusal
{
    /// <exception cref="SocketOptionException">The system refuses it.</exception>
    public static void Guard(string option, object value, Action set)
    {
        try
        {
            set();
        }
        catch (SocketException exception)
        {
            throw new SocketOptionException(option, value, OptionSupport.Explain(option, exception), exception);
        }
    }
}

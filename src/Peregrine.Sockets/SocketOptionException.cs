namespace Peregrine.Sockets;

/// <summary>An option was set that the platform or the address does not have, or that the kernel refuses.</summary>
public sealed class SocketOptionException : NotSupportedException
{
    /// <summary>Makes an exception.</summary>
    /// <param name="option">The option's path in <see cref="SocketTransportOptions"/> or <see cref="DatagramTransportOptions"/>.</param>
    /// <param name="value">What it was set to.</param>
    /// <param name="problem">Why it cannot be had, and what helps: the end of a sentence.</param>
    /// <param name="innerException">What the system said.</param>
    public SocketOptionException(string option, object value, string problem, Exception? innerException = null)
        : base($"{option} = \"{value}\": {problem}.", innerException)
    {
        Option = option;
        Value = value;
        Problem = problem;
    }

    /// <summary>The option's path in <see cref="SocketTransportOptions"/> or <see cref="DatagramTransportOptions"/>, such as <c>Socket.Device</c>.</summary>
    public string Option { get; }

    /// <summary>What it was set to.</summary>
    public object Value { get; }

    /// <summary>Why it cannot be had, and what helps: the end of a sentence.</summary>
    public string Problem { get; }
}

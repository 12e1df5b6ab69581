namespace Peregrine.Server;

/// <summary>The server cannot start. The message is one line that names the setting, its value and the remedy.</summary>
public sealed class PeregrineStartException : Exception
{
    /// <summary>Makes an exception without a message of its own.</summary>
    public PeregrineStartException()
    {
    }

    /// <summary>Makes an exception.</summary>
    /// <param name="message">One line: the setting, its value, the remedy.</param>
    public PeregrineStartException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception.</summary>
    /// <param name="message">One line: the setting, its value, the remedy.</param>
    /// <param name="innerException">What the system said.</param>
    public PeregrineStartException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

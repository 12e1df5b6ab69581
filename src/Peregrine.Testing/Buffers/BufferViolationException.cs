namespace Peregrine.Testing;

/// <summary>A buffer of a <see cref="LeakCheckingMemoryPool"/> was lost, returned twice, or used after its return.</summary>
public sealed class BufferViolationException : Exception
{
    /// <summary>Makes an exception without details.</summary>
    public BufferViolationException()
        : this([])
    {
    }

    /// <summary>Makes an exception with one violation.</summary>
    public BufferViolationException(string message)
        : this([message])
    {
    }

    /// <summary>Makes an exception with one violation and its cause.</summary>
    public BufferViolationException(string message, Exception innerException)
        : base(message, innerException) => Violations = [message];

    /// <summary>Makes an exception from the violations; the message holds the first twenty.</summary>
    public BufferViolationException(IReadOnlyList<string> violations)
        : base(Describe(violations)) => Violations = violations;

    /// <summary>One sentence for each violation, which names the block.</summary>
    public IReadOnlyList<string> Violations { get; }

    private static string Describe(IReadOnlyList<string> violations)
    {
        ArgumentNullException.ThrowIfNull(violations);
        string listed = string.Join(Environment.NewLine, violations.Take(MaxDescribed));
        return violations.Count switch
        {
            0 => "A buffer was misused.",
            1 => listed,
            _ => $"{violations.Count} violations:{Environment.NewLine}{listed}",
        };
    }

    private const int MaxDescribed = 20;
}

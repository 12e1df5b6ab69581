namespace Peregrine.Protocols.Syslog;

/// <summary>The options of a framing, checked.</summary>
internal sealed class FrameRules
{
    /// <summary>A number that has more digits counts no message.</summary>
    public const int MostDigits = 9;

    private const int MostMessage = 999_999_999;

    private readonly byte[] _trailer;

    public FrameRules(SyslogOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxMessageSizeInBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.MaxMessageSizeInBytes, MostMessage);
        if (!Enum.IsDefined(options.Framing))
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Framing, "Framing has no such value.");
        }

        if (options.Trailer.Length is not (1 or 2))
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Trailer.Length, "Trailer takes one byte or two.");
        }

        Framing = options.Framing;
        MaxMessage = options.MaxMessageSizeInBytes;
        Truncates = options.TruncatesLargeMessages;
        _trailer = options.Trailer.ToArray();
    }

    public SyslogFraming Framing { get; }

    public int MaxMessage { get; }

    /// <summary>With all that may be around it.</summary>
    public int MaxFrame => MaxMessage + MostDigits + 1;

    public bool Truncates { get; }

    public ReadOnlySpan<byte> Trailer => _trailer;
}

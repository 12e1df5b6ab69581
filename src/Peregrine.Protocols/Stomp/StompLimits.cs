namespace Peregrine.Protocols.Stomp;

/// <summary>The limits, checked.</summary>
internal readonly struct StompLimits
{
    private readonly int _maxHeaderLine;
    private readonly int _maxHeaders;
    private readonly int _maxBody;

    public StompLimits(StompOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxMessageSizeInBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxHeaders);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxHeaderLineSizeInBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxBodySizeInBytes ?? 0, nameof(options.MaxBodySizeInBytes));
        MaxFrame = options.MaxMessageSizeInBytes;
        _maxHeaders = options.MaxHeaders;
        _maxHeaderLine = options.MaxHeaderLineSizeInBytes;
        _maxBody = options.MaxBodySizeInBytes ?? MaxFrame;
    }

    public int MaxFrame { get; }

    public void CheckFrame(long size)
    {
        if (size > MaxFrame)
        {
            throw new MessageTooLargeException(size, MaxFrame);
        }
    }

    public void CheckHeaders(int count)
    {
        if (count > _maxHeaders)
        {
            throw new MessageTooLargeException($"A frame has more headers than MaxHeaders ({_maxHeaders}).");
        }
    }

    public void CheckLine(long size)
    {
        if (size > _maxHeaderLine)
        {
            throw new MessageTooLargeException($"A line of {size} bytes or more is longer than MaxHeaderLineSizeInBytes ({_maxHeaderLine}).");
        }
    }

    public void CheckBody(long size)
    {
        if (size > _maxBody)
        {
            throw new MessageTooLargeException($"A body of {size} bytes or more is larger than MaxBodySizeInBytes ({_maxBody}).");
        }
    }
}

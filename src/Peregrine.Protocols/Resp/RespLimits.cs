namespace Peregrine.Protocols.Resp;

/// <summary>The options of a reader, checked.</summary>
internal readonly struct RespLimits
{
    private const int DeepestOfAll = 1024;

    /// <summary>For what was read before.</summary>
    public static readonly RespLimits None = new(new RespOptions
    {
        MaxMessageSizeInBytes = int.MaxValue,
        MaxBulkLengthInBytes = int.MaxValue,
        MaxLineLengthInBytes = int.MaxValue,
        MaxArguments = int.MaxValue,
        MaxDepth = DeepestOfAll,
    });

    public RespLimits(RespOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxMessageSizeInBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxBulkLengthInBytes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxLineLengthInBytes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxArguments);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxDepth);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.MaxDepth, DeepestOfAll);
        MessageSize = options.MaxMessageSizeInBytes;
        BulkLength = options.MaxBulkLengthInBytes;
        LineLength = options.MaxLineLengthInBytes;
        Arguments = options.MaxArguments;
        Depth = options.MaxDepth;
    }

    public int MessageSize { get; }

    public int BulkLength { get; }

    public int LineLength { get; }

    public int Arguments { get; }

    public int Depth { get; }
}

namespace Peregrine;

/// <summary>How fast readers read, and what ends their pauses.</summary>
internal interface IReadRate
{
    /// <summary>What holds now; null for any number.</summary>
    int? BytesPerSecond { get; }

    ReadPauses Pauses { get; }
}

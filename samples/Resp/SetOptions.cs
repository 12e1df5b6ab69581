namespace Resp;

/// <summary>How a value is set.</summary>
/// <param name="Lifetime">In milliseconds, from 1. Null for no end.</param>
/// <param name="KeepsLifetime">The lifetime of the old value is the new one's.</param>
/// <param name="Condition">When it is set at all.</param>
internal readonly record struct SetOptions(long? Lifetime = null, bool KeepsLifetime = false, SetCondition Condition = SetCondition.Always);

internal enum SetCondition : byte
{
    Always,
    KeyIsMissing,
    KeyExists,
}

internal enum SetResult : byte
{
    Done,

    /// <summary>The condition is not met.</summary>
    NotMet,
    OutOfMemory,
}

internal enum AddResult : byte
{
    Done,

    /// <summary>The value is no number of 64 bits.</summary>
    NoInteger,
    Overflow,
    OutOfMemory,
}

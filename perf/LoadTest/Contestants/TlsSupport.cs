namespace Peregrine.LoadTest.Contestants;

/// <summary>How a contestant serves.</summary>
internal enum TlsSupport
{
    /// <summary>In the clear.</summary>
    None,

    /// <summary>In the clear or encrypted.</summary>
    Both,

    /// <summary>Encrypted.</summary>
    Only,
}

namespace Peregrine.LoadTest.Contestants;

/// <summary>What a server's process answers, a line on its standard input with a number on its standard output.</summary>
internal static class ServerQuestion
{
    /// <summary>How many bytes it has allocated on the managed heap.</summary>
    public const string Allocated = "allocated?";

    /// <summary>How many bytes, or datagrams, its sink has received.</summary>
    public const string Received = "received?";
}

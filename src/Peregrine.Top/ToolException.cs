namespace Peregrine.Top;

/// <summary>What the tool cannot do, as one line that names the remedy, and its exit code.</summary>
internal sealed class ToolException(int exitCode, string message) : Exception(message)
{
    public int ExitCode => exitCode;
}

/// <summary>Exit codes, for scripts.</summary>
internal static class ExitCodes
{
    public const int Done = 0;

    /// <summary>What was asked for is refused or has failed.</summary>
    public const int Failed = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>There is no such process, connection or endpoint.</summary>
    public const int NotFound = 3;

    /// <summary>The process, or its admin socket, is another user's.</summary>
    public const int NoPermission = 4;

    /// <summary>The process has no server of Peregrine that runs.</summary>
    public const int NotPeregrine = 5;

    /// <summary>The process has no admin socket.</summary>
    public const int NoAdmin = 6;
}

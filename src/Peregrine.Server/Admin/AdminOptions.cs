namespace Peregrine.Server.Admin;

/// <summary>How the running server can be looked at and steered from outside of its process, section <c>Peregrine:Admin</c>.</summary>
public sealed class AdminOptions
{
    /// <summary>
    /// The path of a Unix domain socket (unix(7)) for tools such as <c>peregrine-top</c>. Default none: it is off. The file is made with the mode 0600,
    /// and only processes of the server's user and of root are served. It is apart from the endpoints and their limits, has at most eight
    /// connections, and is there until the end of the server's stop. Not on Windows. Read at the start.
    /// </summary>
    public string? Socket { get; set; }
}

using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peregrine.Server.Admin.Protocol;

/// <summary>
/// The protocol of the admin socket: one JSON object (RFC 8259) a line, in UTF-8, ended by a line feed. Each request has one response, in their order.
/// These files are compiled into the server and into its tool.
/// </summary>
internal static class AdminProtocol
{
    /// <summary>
    /// Names of requests and members are added without another version: whoever reads leaves out the members that it does not know. A server answers a
    /// request of another version with an error, and its own version.
    /// </summary>
    public const int Version = 1;

    /// <summary>The longest line of a request, without its end.</summary>
    public const int MaxRequestBytes = 16 * 1024;

    /// <summary>What the server is, and its endpoints.</summary>
    public const string Server = "server";

    /// <summary>A page of the connections.</summary>
    public const string Connections = "connections";

    /// <summary>One connection.</summary>
    public const string Connection = "connection";

    /// <summary>Asks a connection to end.</summary>
    public const string Close = "close";

    /// <summary>Resets a connection.</summary>
    public const string Abort = "abort";

    /// <summary>Stops accepting on an endpoint.</summary>
    public const string Suspend = "suspend";

    /// <summary>Accepts again.</summary>
    public const string Resume = "resume";

    /// <summary>Changes settings.</summary>
    public const string Set = "set";

    /// <summary>The meter that tells where the socket is to whoever watches the process's metrics: one measurement of the instrument, with the tag.</summary>
    public const string Meter = "Peregrine.Server.Admin";

    public const string SocketInstrument = "peregrine.server.admin.socket";

    public const string PathTag = "peregrine.admin.path";
}

/// <summary>Kinds of errors, for programs; the message is for people.</summary>
internal static class AdminErrors
{
    public const string BadRequest = "bad_request";
    public const string Version = "version";
    public const string TooLong = "too_long";
    public const string Busy = "busy";
    public const string Forbidden = "forbidden";
    public const string NotFound = "not_found";
    public const string Refused = "refused";
    public const string Failed = "failed";
}

/// <summary>Writes and reads the protocol: what is too much or twice there is refused.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, MaxDepth = 8,
    AllowDuplicateProperties = false, UseStringEnumConverter = true)]
[JsonSerializable(typeof(AdminRequest))]
[JsonSerializable(typeof(AdminResponse))]
internal sealed partial class AdminJson : JsonSerializerContext;

using System.Buffers;

namespace Peregrine.Protocols.Syslog;

/// <summary>What RFC 5424, section 6 lets be in a field. All of it is visible ASCII.</summary>
internal static class FieldRules
{
    public const int MostHostName = 255;
    public const int MostAppName = 48;
    public const int MostProcessId = 128;
    public const int MostMessageId = 32;

    /// <summary>Of a name in structured data: SD-NAME.</summary>
    public const int MostName = 32;

    public const int MostPriority = 191;

    private const string NotInName = "=]\"";

    public static SearchValues<byte> NameBytes { get; } = SearchValues.Create([.. Visible().Where(value => !NotInName.Contains((char)value)).Select(value => (byte)value)]);

    public static SearchValues<char> NameChars { get; } = SearchValues.Create([.. Visible().Select(value => (char)value).Where(value => !NotInName.Contains(value))]);

    public const byte FirstVisible = (byte)'!';

    public const byte LastVisible = (byte)'~';

    private static IEnumerable<int> Visible() => Enumerable.Range(FirstVisible, LastVisible - FirstVisible + 1);
}

using System.Globalization;

namespace Peregrine.Top.Views;

/// <summary>Writes amounts so that they fit a column.</summary>
internal static class Amounts
{
    private static readonly string[] s_units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

    public static string Bytes(double? bytes)
    {
        if (bytes is not { } left)
        {
            return "-";
        }

        var unit = 0;
        while (Math.Abs(left) >= 1024 && unit < s_units.Length - 1)
        {
            left /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{left:0.#} {s_units[unit]}");
    }

    public static string BytesPerSecond(double? bytes) => bytes is null ? "-" : Bytes(bytes) + "/s";

    public static string PerSecond(double rate) => string.Create(CultureInfo.InvariantCulture, $"{rate:#,0.#}/s");

    public static string Count(long count) => count.ToString("#,0", CultureInfo.InvariantCulture);

    public static string Time(double? seconds) => seconds switch
    {
        null => "-",
        < 0.001 => string.Create(CultureInfo.InvariantCulture, $"{seconds * 1_000_000:0} µs"),
        < 1 => string.Create(CultureInfo.InvariantCulture, $"{seconds * 1000:0.#} ms"),
        < 60 => string.Create(CultureInfo.InvariantCulture, $"{seconds:0.#} s"),
        < 3600 => string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(seconds.Value / 60):0} m {seconds % 60:00} s"),
        < 86_400 => string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(seconds.Value / 3600):0} h {Math.Floor(seconds.Value % 3600 / 60):00} m"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(seconds.Value / 86_400):0} d {Math.Floor(seconds.Value % 86_400 / 3600):00} h"),
    };

    /// <summary>Names come from the process watched and from its peers: what steers a terminal is not passed on.</summary>
    public static string Text(string? text, int most = 60)
    {
        var clean = string.Concat((text ?? "").Select(static c => char.IsControl(c) || char.GetUnicodeCategory(c) == UnicodeCategory.Format ? '?' : c));
        return clean.Length <= most ? clean : clean[..(most - 1)] + "…";
    }
}

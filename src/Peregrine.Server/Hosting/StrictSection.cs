using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Peregrine.Server.Hosting;

/// <summary>Reads a configuration section every key of which must be known, and every value of which must be one.</summary>
internal static class StrictSection
{
    /// <exception cref="PeregrineStartException">It has a value of its own.</exception>
    public static void CheckIsSection(this IConfigurationSection section)
    {
        if (!string.IsNullOrEmpty(section.Value))
        {
            throw new PeregrineStartException($"{section.Path} = \"{section.Value}\" is a section and takes no value; set one of its keys.");
        }
    }

    /// <exception cref="PeregrineStartException">It has another key.</exception>
    public static void CheckKeys(this IConfigurationSection section, string what, params string[] known)
    {
        section.CheckIsSection();
        foreach (var child in section.GetChildren())
        {
            if (!known.Contains(child.Key, StringComparer.OrdinalIgnoreCase))
            {
                throw new PeregrineStartException($"{child.Path} is not a setting; {what} takes {string.Join(", ", known)}.");
            }
        }
    }

    /// <summary>It is there, be it empty.</summary>
    public static bool Has(this IConfigurationSection section, string key) =>
        section.GetChildren().Any(child => child.Key.Equals(key, StringComparison.OrdinalIgnoreCase));

    /// <exception cref="PeregrineStartException">It is there, and has no keys.</exception>
    public static void CheckIsNotEmpty(this IConfigurationSection section, string key, string remedy)
    {
        if (section.Has(key) && !section.GetSection(key).GetChildren().Any() && string.IsNullOrEmpty(section[key]))
        {
            throw new PeregrineStartException($"{section.Path}:{key} is empty; {remedy}.");
        }
    }

    /// <exception cref="PeregrineStartException">It is a section.</exception>
    public static string? Read(this IConfigurationSection section, string key, string? fallback, string expected) =>
        section.GetSection(key).GetChildren().FirstOrDefault() is { } child
            ? throw new PeregrineStartException($"{child.Path} is not a setting; {section.Path}:{key} takes {expected}.")
            : section[key] ?? fallback;

    /// <exception cref="PeregrineStartException">It is a section, or not what is expected.</exception>
    public static T Read<T>(this IConfigurationSection section, string key, T fallback, Func<string, T?> parse, string expected)
        where T : struct
        => section.ReadOptional(key, fallback, parse, expected)!.Value;

    /// <exception cref="PeregrineStartException">It is a section, or not what is expected.</exception>
    public static T? ReadOptional<T>(this IConfigurationSection section, string key, T? fallback, Func<string, T?> parse, string expected)
        where T : struct
        => section.Read(key, null, expected) is { } text
            ? parse(text) ?? throw new PeregrineStartException($"{section.Path}:{key} = \"{text}\" is not {expected}.")
            : fallback;

    // A bare number, meant as seconds, would be days to TimeSpan.
    public static TimeSpan? ParseTime(string text) =>
        text.Contains(':', StringComparison.Ordinal) && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var value) ? value : null;

    public static int? ParseNumber(string text) => int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value : null;

    public static long? ParseLong(string text) => long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value : null;

    public static bool? ParseBoolean(string text) => bool.TryParse(text, out var value) ? value : null;

    /// <summary>By name only: a number is not one.</summary>
    public static T? ParseName<T>(string text)
        where T : struct, Enum
        => Enum.GetNames<T>().Contains(text, StringComparer.OrdinalIgnoreCase) ? Enum.Parse<T>(text, ignoreCase: true) : null;
}

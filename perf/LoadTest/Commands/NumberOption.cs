using System.CommandLine;
using System.Globalization;

namespace Peregrine.LoadTest.Commands;

internal static class NumberOption
{
    /// <summary>A whole number with bounds; anything else is answered with what it accepts.</summary>
    public static Option<int> Create(string name, string description, int value, int least, int most) => new(name)
    {
        Description = $"{description} From {least} to {most}.",
        DefaultValueFactory = _ => value,
        CustomParser = result =>
        {
            var text = result.Tokens[^1].Value;
            if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
            {
                return number;
            }

            result.AddError($"{name} {text}: choose a whole number from {least} to {most}.");
            return value;
        },
    };
}

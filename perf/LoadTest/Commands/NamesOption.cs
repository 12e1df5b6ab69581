using System.CommandLine;

namespace Peregrine.LoadTest.Commands;

internal static class NamesOption
{
    /// <summary>Names, separated by commas or by spaces; one that is not known is answered with those that are.</summary>
    public static Option<T[]> Create<T>(string name, string description, string what, string known, string otherwise, Func<string, T?> find)
        where T : class => new(name)
        {
            Description = $"{description}, separated by commas: {known}. {otherwise}, if it is left out.",
            Arity = ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = true,
            CustomParser = result =>
            {
                var found = new List<T>();
                var names = result.Tokens.SelectMany(token => token.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
                foreach (var text in names)
                {
                    if (find(text) is { } one)
                    {
                        found.Add(one);
                        continue;
                    }

                    result.AddError($"{name} {text}: there is no such {what}; choose from {known}.");
                    return [];
                }

                if (found.Count == 0)
                {
                    result.AddError($"{name} \"\": name at least one {what}; there are {known}.");
                }

                return [.. found.Distinct()];
            },
        };
}

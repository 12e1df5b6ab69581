using System.Text;
using System.Text.Json.Nodes;

namespace Peregrine.Protocols.Tests.Json;

/// <summary>Values of JSON, of any kind and depth.</summary>
internal static class RandomJson
{
    private static readonly string[] s_words = ["", "a", "{\"", "]}", "\\", "\"\\\"", "\n", "ä", "null", " "];

    public static byte[] Value(Random random) => Encoding.UTF8.GetBytes(Node(random, 0)?.ToJsonString() ?? "null");

    private static JsonNode? Node(Random random, int depth) => random.Next(depth > 4 ? 4 : 8) switch
    {
        0 => JsonValue.Create(random.Next(-100, 100)),
        1 => JsonValue.Create(random.Next(2) == 0),
        2 => null,
        3 => JsonValue.Create(Word(random)),
        4 or 5 => new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => Node(random, depth + 1))]),
        _ => new JsonObject(Enumerable.Range(0, random.Next(4)).Select(i => KeyValuePair.Create($"{i}{Word(random)}", Node(random, depth + 1)))),
    };

    private static string Word(Random random) => s_words[random.Next(s_words.Length)] + s_words[random.Next(s_words.Length)];
}

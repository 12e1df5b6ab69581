using System.Text;
using Peregrine.Protocols;

namespace Peregrine.Fuzz.Protocols;

/// <summary>
/// What must hold of any bytes: reading comes to an end, throws nothing but <see cref="MessageFormatException"/>, and has the same messages and the same errors however
/// the bytes are cut. It throws if something does not.
/// </summary>
internal abstract class ReaderTarget(string[] samples)
{
    /// <summary>Beyond this, not every place is tried.</summary>
    private const int MaxPlaces = 96;

    /// <summary>Whole messages.</summary>
    public IReadOnlyList<byte[]> Samples { get; } = [.. samples.Select(Encoding.Latin1.GetBytes)];

    public void Run(ReadOnlySpan<byte> input)
    {
        var bytes = input.ToArray();
        var whole = Read(new CutInput(bytes, isOneRead: true));
        var step = 1 + (bytes.Length / MaxPlaces);
        for (var place = 1; place < bytes.Length; place += step)
        {
            RequireSame(whole, Read(new CutInput(bytes, isOneRead: true, place)), "of two segments");
            RequireSame(whole, Read(new CutInput(bytes, isOneRead: false, place)), "that comes in two parts");
        }

        int[] everywhere = [.. Enumerable.Range(1, Math.Max(0, bytes.Length - 1))];
        RequireSame(whole, Read(new CutInput(bytes, isOneRead: true, everywhere)), "of segments of one byte");
        RequireSame(whole, Read(new CutInput(bytes, isOneRead: false, everywhere)), "that comes byte by byte");
    }

    /// <summary>What reading comes to, in its order; the last one is the end.</summary>
    public abstract IReadOnlyList<Outcome> Read(CutInput input);

    public static void Require(bool condition, string problem)
    {
        if (!condition)
        {
            throw new InvalidOperationException(problem);
        }
    }

    private static void RequireSame(IReadOnlyList<Outcome> whole, IReadOnlyList<Outcome> cut, string how)
    {
        for (var i = 0; i < Math.Max(whole.Count, cut.Count); i++)
        {
            var (one, other) = (whole.ElementAtOrDefault(i), cut.ElementAtOrDefault(i));
            if (one?.Error == typeof(MessageTooLargeException) || other?.Error == typeof(MessageTooLargeException))
            {
                // One that sees the end of it can go on behind it, and one that does not see what is wrong with it yet says that it is too large.
                Require(one?.Error is not null && other?.Error is not null, $"Number {i} is {one}, and in an input {how} {other}.");
                return;
            }

            Require(one == other, $"Number {i} is {one}, and in an input {how} {other}.");
        }
    }

    /// <param name="Message">What a message says; null for an error, and for the end.</param>
    /// <param name="Error">Null for a message, and for an end behind one.</param>
    internal sealed record Outcome(string? Message, Type? Error, bool IsSkippable);
}

/// <inheritdoc/>
internal sealed class ReaderTarget<TMessage>(Func<IMessageReader<TMessage>> create, Func<TMessage, string> describe, Func<TMessage, long> lengthOf, string[] samples)
    : ReaderTarget(samples)
    where TMessage : allows ref struct
{
    public override IReadOnlyList<Outcome> Read(CutInput input)
    {
        var format = create();
        var reader = new MessageReader<TMessage>(input, new CheckedReader<TMessage>(format));
        var outcomes = new List<Outcome>();
        while (true)
        {
            try
            {
                if (!Wait(reader))
                {
                    outcomes.Add(new Outcome(null, null, false));
                    return outcomes;
                }

                while (reader.TryRead(out var message))
                {
                    Require(lengthOf(message) <= format.MaxMessageSizeInBytes, "A message is larger than the limit.");
                    outcomes.Add(new Outcome(describe(message), null, false));
                }
            }
            catch (MessageFormatException exception)
            {
                outcomes.Add(new Outcome(null, exception.GetType(), exception.IsSkippable));
                if (!exception.IsSkippable)
                {
                    Require(exception is MessageTruncatedException || Repeats(reader, exception), $"{exception.GetType()} is not said again.");
                    return outcomes;
                }
            }
        }
    }

    private static bool Wait(MessageReader<TMessage> reader)
    {
        var waits = reader.WaitToReadAsync();
        return waits.IsCompleted ? waits.Result : throw new InvalidOperationException("It waits for more than the next read.");
    }

    private static bool Repeats(MessageReader<TMessage> reader, MessageFormatException exception)
    {
        try
        {
            return reader.TryRead(out var _) && false;
        }
        catch (MessageFormatException again)
        {
            return again.GetType() == exception.GetType();
        }
    }
}

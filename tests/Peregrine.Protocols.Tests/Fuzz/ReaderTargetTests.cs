using Peregrine.Fuzz.Protocols;

namespace Peregrine.Protocols.Tests.Fuzz;

/// <summary>What the fuzzer looks for, over messages that went wrong.</summary>
public sealed class ReaderTargetTests
{
    private const int Cases = 500;
    private const int Seed = 20_260_701;

    public static TheoryData<string> Readers => [.. ReaderTargets.All.Keys];

    [Theory]
    [MemberData(nameof(Readers))]
    public void The_samples_are_whole_messages(string reader)
    {
        var target = ReaderTargets.All[reader];
        Assert.NotEmpty(target.Samples);
        Assert.All(target.Samples, sample =>
        {
            var outcomes = target.Read(new CutInput(sample, isOneRead: true));
            Assert.NotEmpty(outcomes.SkipLast(1));
            Assert.All(outcomes, outcome => Assert.Null(outcome.Error));
        });
    }

    [Theory]
    [MemberData(nameof(Readers))]
    public void It_holds_of_messages_that_went_wrong(string reader)
    {
        var target = ReaderTargets.All[reader];
        var mutations = new Mutations(target.Samples, Seed);
        var (messages, errors) = (0, 0);
        for (var i = 0; i < Cases; i++)
        {
            var input = mutations.Next();
            try
            {
                target.Run(input);
                var outcomes = target.Read(new CutInput(input, isOneRead: true));
                messages += outcomes.Count(outcome => outcome.Message is not null);
                errors += outcomes.Count(outcome => outcome.Error is not null);
            }
            catch (Exception exception)
            {
                Assert.Fail($"Case {i}: {Convert.ToHexString(input)}: {exception}");
            }
        }

        // The cases are ones that say something.
        Assert.True(messages > Cases / 20 && errors > Cases / 20, $"{messages} messages, {errors} errors");
    }
}

using Peregrine.LoadTest.Contestants;
using Peregrine.LoadTest.Scenarios;

namespace Peregrine.LoadTest.Results;

/// <summary>What all contestants did in one scenario.</summary>
internal sealed record ScenarioResult(Scenario Scenario, IReadOnlyList<ContestantResult> Contestants)
{
    public IEnumerable<ContestantResult> Failed => Contestants.Where(result => result.Failure is not null);

    /// <summary>How many times another's median this one's is; null if either has none, or the other's is 0.</summary>
    public double? Ratio(ContestantResult result, Metric metric, string other)
    {
        var reference = Contestants.FirstOrDefault(candidate => candidate.Contestant.Name == other)?.Median(metric);
        return reference > 0 ? result.Median(metric) / reference : null;
    }

    public bool Has(string contestant) => Contestants.Any(result => result.Contestant.Name == contestant);

    public static string OtherName(string contestant) => contestant switch
    {
        Contestant.Limit or Contestant.DatagramLimit => "the limit",
        Contestant.SegmentLimit => "the limit with segmentation",
        _ => Contestant.Find(contestant)!.Title,
    };
}

using Peregrine.Top.Metrics;

namespace Peregrine.Top.Tests.Metrics;

public sealed class MetricTagsTests
{
    [Fact]
    public void Tags_are_read_with_values_that_have_signs_of_their_own()
    {
        var tags = MetricTags.Parse("peregrine.endpoint=tcp://*:7000,error.type=a=b,note=one,two");
        Assert.Equal("tcp://*:7000", tags["peregrine.endpoint"]);
        Assert.Equal("a=b", tags["error.type"]);
        Assert.Equal("one,two", tags["note"]);
        Assert.Empty(MetricTags.Parse(""));
        Assert.Empty(MetricTags.Parse(",=,"));
    }

    [Fact]
    public void Quantiles_are_read_and_what_is_none_is_left_out()
    {
        Assert.Equal([(0.5, 0.001), (0.99, 2)], MetricTags.ParseQuantiles("0.5=0.001;0.99=2;x=1;0.1=").Select(pair => (pair.Key, pair.Value)));
        Assert.Empty(MetricTags.ParseQuantiles(""));
    }
}

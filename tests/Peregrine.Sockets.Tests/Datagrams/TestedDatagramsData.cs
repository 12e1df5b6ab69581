namespace Peregrine.Sockets.Tests.Datagrams;

/// <summary>Every way, for a theory.</summary>
public sealed class EveryWay : TheoryData<TestedDatagrams>
{
    public EveryWay()
    {
        foreach (var tested in Enum.GetValues<TestedDatagrams>().Where(tested => tested == TestedDatagrams.OneByOne || OperatingSystem.IsLinux()))
        {
            Add(tested);
        }
    }
}

namespace Peregrine.IntegrationTests.Limits;

/// <summary>These tests measure time, or the memory of the process: nothing else runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class MeasuredAlone
{
    public const string Name = "Measured alone";
}

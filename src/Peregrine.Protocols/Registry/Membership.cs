namespace Peregrine.Protocols.Registry;

/// <summary>A connection's place in a set.</summary>
internal sealed class Membership(Members set, RegisteredConnection connection)
{
    public Members Set => set;

    public RegisteredConnection Connection => connection;

    /// <summary>Where it is: the set's, under its lock.</summary>
    public int Slot { get; set; }

    /// <summary>Leaves a set that stays when nobody is in it.</summary>
    public void Leave() => set.Remove(this, retires: false);
}

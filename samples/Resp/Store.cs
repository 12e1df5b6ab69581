namespace Resp;

/// <summary>
/// The keys and their values. Every call is atomic for its key, on any thread: the keys are spread over parts, each with a lock of its own, so that loops on several cores seldom wait
/// for each other. A value is an array that is never changed.
/// </summary>
internal sealed class Store
{
    private const int PartCount = 64;

    private readonly StorePart[] _parts = new StorePart[PartCount];
    private int _sweptPart;

    public Store(RespServerOptions options, TimeProvider clock)
    {
        Space = new StoreSpace(options.MaxKeys, options.MaxMemoryInBytes);
        var time = new StoreClock(clock);
        for (var i = 0; i < _parts.Length; i++)
        {
            _parts[i] = new StorePart(Space, time);
        }
    }

    public StoreSpace Space { get; }

    public byte[]? Get(ReadOnlySpan<byte> key) => PartOf(key).Get(key);

    /// <inheritdoc cref="StorePart.Set"/>
    public SetResult Set(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, SetOptions options, out byte[]? old) => PartOf(key).Set(key, value, options, out old);

    /// <inheritdoc cref="StorePart.Add"/>
    public AddResult Add(ReadOnlySpan<byte> key, long delta, out long sum) => PartOf(key).Add(key, delta, out sum);

    public bool Remove(ReadOnlySpan<byte> key) => PartOf(key).Remove(key);

    /// <inheritdoc cref="StorePart.SetLifetime"/>
    public bool SetLifetime(ReadOnlySpan<byte> key, long milliseconds) => PartOf(key).SetLifetime(key, milliseconds);

    /// <inheritdoc cref="StorePart.Persist"/>
    public bool Persist(ReadOnlySpan<byte> key) => PartOf(key).Persist(key);

    /// <inheritdoc cref="StorePart.LifetimeOf"/>
    public long LifetimeOf(ReadOnlySpan<byte> key) => PartOf(key).LifetimeOf(key);

    public void Clear()
    {
        foreach (var part in _parts)
        {
            part.Clear();
        }
    }

    /// <summary>Removes keys whose time is over, from one part after the other.</summary>
    /// <param name="most">How many are looked at, at most.</param>
    public void Sweep(int most)
    {
        for (var i = 0; i < _parts.Length && most > 0; i++)
        {
            most -= _parts[_sweptPart].Sweep(most);
            if (most > 0)
            {
                _sweptPart = (_sweptPart + 1) % _parts.Length;
            }
        }
    }

    private StorePart PartOf(ReadOnlySpan<byte> key) => _parts[(uint)ByteStrings.HashOf(key) % PartCount];
}

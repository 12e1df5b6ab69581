using Peregrine.Middleware.Sessions;

namespace Peregrine.Middleware;

/// <summary>Decides about a datagram that belongs to no session.</summary>
/// <remarks>
/// Called on the receive loop, from every one of the endpoint at the same time, and for every datagram of a flood: it must be quick, and should allocate nothing. It is called again for
/// the next datagram of the peer unless this one begins a session.
/// </remarks>
public delegate DatagramSessionAdmission DatagramSessionAdmitter(DatagramSessionRequest request);

/// <summary>What becomes of a datagram that belongs to no session.</summary>
public enum DatagramSessionAdmission
{
    /// <summary>It is dropped, and counted (<see cref="DatagramDropReason.SessionRefused"/>), whether it was answered or not.</summary>
    Refuse = 0,

    /// <summary>
    /// It begins a session, of which nothing proves that the peer has the address: what is sent to it is at most three times what has come from it, and it is the first to go when
    /// places are needed, until <see cref="DatagramSession.Validate"/>.
    /// </summary>
    AcceptUnvalidated,

    /// <summary>It begins a session of a peer that has proven its address, as by what <see cref="DatagramCookies"/> have made; or, on a network on which nobody forges, without.</summary>
    AcceptValidated,
}

/// <summary>A datagram that belongs to no session. Valid during the call that gets it.</summary>
public readonly ref struct DatagramSessionRequest
{
    private readonly ref readonly Datagram _datagram;
    private readonly ref long _allowance;
    private readonly DatagramSender _sender;
    private readonly DatagramCounters _counters;

    internal DatagramSessionRequest(ref readonly Datagram datagram, ref long allowance, DatagramSender sender, DatagramCounters counters)
    {
        _datagram = ref datagram;
        _allowance = ref allowance;
        _sender = sender;
        _counters = counters;
    }

    /// <summary>The datagram.</summary>
    public ref readonly Datagram Datagram => ref _datagram;

    /// <summary>Its payload.</summary>
    public ReadOnlySpan<byte> Payload => _datagram.Payload.Span;

    /// <summary>Where it comes from, unless that is forged.</summary>
    public DatagramAddress RemoteAddress => _datagram.RemoteAddress;

    /// <summary>
    /// Answers it without a session, as with a cookie. All answers to a datagram have together at most three times its bytes (RFC 9000 §8.1); what is answered is taken off what a session that
    /// it begins may send before it is validated.
    /// </summary>
    /// <returns>False if it is dropped, and counted: for that limit (<see cref="DatagramDropReason.AmplificationLimit"/>), or because the queue to send is full.</returns>
    /// <exception cref="ArgumentOutOfRangeException">As with <see cref="DatagramSender.TrySend"/>.</exception>
    public bool TryAnswer(ReadOnlySpan<byte> payload, DatagramMarks marks = default)
    {
        if (!Amplification.TrySpend(ref _allowance, payload.Length))
        {
            _counters.AddDropped(DatagramDropReason.AmplificationLimit);
            return false;
        }

        return _sender.TrySend(payload, _datagram.Path, marks);
    }
}

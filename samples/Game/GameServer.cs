using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Peregrine;
using Peregrine.Middleware;

namespace Game;

/// <summary>Lets players in, takes what they want, and tells all of them 20 times a second what is.</summary>
internal sealed class GameServer(World world, DatagramCookies cookies, TimeProvider clock) : BackgroundService
{
    public static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(50);

    private readonly ConcurrentDictionary<byte, Link> _links = [];

    /// <summary>Of an address that may be forged, nothing is kept: it gets a cookie, and is let in with it.</summary>
    public DatagramSessionAdmission Admit(DatagramSessionRequest request)
    {
        var hello = request.Payload;
        if (Wire.KindOf(hello) != Kind.Hello || hello.Length != Wire.HelloSize)
        {
            return DatagramSessionAdmission.Refuse;
        }

        if (cookies.IsValid(hello.Slice(1, DatagramCookies.SizeInBytes), request.RemoteAddress))
        {
            return DatagramSessionAdmission.AcceptValidated;
        }

        Span<byte> challenge = stackalloc byte[Wire.ChallengeSize];
        challenge[0] = (byte)Kind.Challenge;
        cookies.TryWrite(challenge[1..], request.RemoteAddress);
        request.TryAnswer(challenge);
        return DatagramSessionAdmission.Refuse;
    }

    /// <summary>One player, from the hello to the goodbye of either side, or until nothing has come from it for some seconds.</summary>
    public async Task PlayAsync(DatagramSession session)
    {
        if (world.Join() is not { } id)
        {
            session.TrySend([(byte)Kind.Goodbye]);
            return;
        }

        var link = new Link(session);
        _links[id] = link;
        try
        {
            // Ends when nothing comes any more, and when the server stops.
            await foreach (var datagram in session)
            {
                var bytes = datagram.Payload.Span;
                if (Wire.KindOf(bytes) == Kind.Goodbye)
                {
                    return;
                }

                if (Wire.TryReadInput(bytes, out var input) && link.TryAdvance(input.Number))
                {
                    world.Steer(id, input.Direction);
                }
            }

            if (session.EndReason == DatagramSessionEndReason.Stopping)
            {
                session.TrySend([(byte)Kind.Goodbye]);
            }
        }
        finally
        {
            _links.TryRemove(id, out _);
            world.Leave(id);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var tick = new PeriodicTimer(Tick, clock);
        var output = new byte[Wire.MostStateSize];
        try
        {
            while (await tick.WaitForNextTickAsync(stoppingToken))
            {
                var state = world.Step();
                foreach (var (id, link) in _links)
                {
                    // One that is lost is not sent again: the next one is newer.
                    link.Session.TrySend(output.AsSpan(0, Wire.WriteState(output, state, link.Own(id))));
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>Who plays, and what has come from there.</summary>
    private sealed class Link(DatagramSession session)
    {
        private readonly Lock _lock = new();
        private readonly Sequence _inputs = new();

        public DatagramSession Session => session;

        public bool TryAdvance(uint number)
        {
            lock (_lock)
            {
                return _inputs.TryAdvance(number);
            }
        }

        public OwnState Own(byte id)
        {
            lock (_lock)
            {
                return new OwnState(id, _inputs.Latest, _inputs.LostInPercent);
            }
        }
    }
}

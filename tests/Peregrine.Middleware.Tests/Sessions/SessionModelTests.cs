using FsCheck;
using FsCheck.Fluent;
using Peregrine.Middleware.Sessions;
using static Peregrine.Middleware.Tests.Sessions.SessionEndpoint;

namespace Peregrine.Middleware.Tests.Sessions;

/// <summary>The table against a dictionary with the same limits, over random sequences of what can happen to it.</summary>
public sealed class SessionModelTests
{
    private const int MaxSessions = 5;
    private const int MaxPerAddress = 2;
    private const int QueueLength = 3;
    private const int IdleSeconds = 4;

    // Few addresses, ports and identifiers, so that they meet.
    private static readonly Gen<Step> s_steps = Gen.Frequency(
        (20, from address in Gen.Choose(1, 4)
             from port in Gen.Choose(1, 3)
             from identifier in Gen.Choose(1, 8)
             from admission in Gen.Choose(0, 2)
             select new Step(What.Receive, address, port, identifier, admission)),
        (4, Of(What.Validate)),
        (2, Of(What.Close)),
        (3, Of(What.Move)),
        (3, from seconds in Gen.Choose(1, 3) select new Step(What.Beat, seconds, 0, 0, 0)),
        (1, Of(What.Stop)));

    private enum What
    {
        Receive,
        Validate,
        Close,
        Move,
        Beat,
        Stop,
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_table_is_as_its_model(bool hasIdentifiers) =>
        Check.One(
            Config.QuickThrowOnFailure.WithMaxTest(300).WithEndSize(80).WithReplay(20_262, 7),
            Prop.ForAll(s_steps.ArrayOf().ToArbitrary(), steps => new Run(hasIdentifiers).Do(steps)));

    private static Gen<Step> Of(What what) =>
        from address in Gen.Choose(1, 4)
        from port in Gen.Choose(1, 3)
        from identifier in Gen.Choose(1, 8)
        select new Step(what, address, port, identifier, 0);

    private sealed record Step(What What, int Address, int Port, int Identifier, int Admission);

    private sealed class Modelled(int address, bool isValidated, DatagramSession session)
    {
        public int Address { get; set; } = address;

        public bool IsValidated { get; set; } = isValidated;

        public DatagramSession Session => session;

        public int Queued { get; set; }

        public double LastReceived { get; set; }
    }

    private sealed class Run
    {
        private readonly TaskCompletionSource _gate = new();
        private readonly bool _hasIdentifiers;
        private readonly SessionEndpoint _endpoint;

        // In the order of their age, as eviction goes.
        private readonly List<(SessionKey Key, Modelled Session)> _model = [];
        private readonly Dictionary<DatagramDropReason, long> _dropped = [];
        private DatagramSessionAdmission _admission;
        private long _received;
        private int _created;
        private int _begun;
        private int _ending;
        private double _now;
        private bool _isStopped;

        public Run(bool hasIdentifiers)
        {
            _hasIdentifiers = hasIdentifiers;
            _endpoint = new SessionEndpoint(
                // No handler reads or returns: what ends in this test, ends by what it does.
                _ =>
                {
                    Interlocked.Increment(ref _begun);
                    return _gate.Task;
                },
                options =>
                {
                    options.MaxSessions = MaxSessions;
                    options.MaxSessionsPerAddress = MaxPerAddress;
                    options.QueueLength = QueueLength;
                    options.IdleTimeout = TimeSpan.FromSeconds(IdleSeconds);
                    options.Admit = _ => _admission;
                    options.KeySelector = hasIdentifiers ? static (in datagram) => datagram.Payload.Span : null;
                });
        }

        public void Do(Step[] steps)
        {
            foreach (var step in steps)
            {
                Do(step);
                CheckInvariants(step);
            }

            _gate.SetResult();
            using var deadline = new CancellationTokenSource();
            Assert.True(_endpoint.StopAsync(deadline.Token).Wait(TestTimeout.Limit));
            Assert.Equal(0, _endpoint.Pool.Used);

            // Nothing was read, so that everything was dropped.
            Assert.Equal(_received, _endpoint.DroppedOnReceipt());
        }

        private void Do(Step step)
        {
            var peer = Peer(step.Address, (ushort)step.Port);
            var key = _hasIdentifiers ? SessionKey.Of([(byte)step.Identifier]) : SessionKey.Of(peer);
            var session = _model.Find(entry => entry.Key == key).Session;
            switch (step.What)
            {
                case What.Receive:
                    _received++;
                    _admission = (DatagramSessionAdmission)step.Admission;
                    _endpoint.Receive(From(peer, (byte)step.Identifier));
                    Receive(step, key, session);
                    break;
                case What.Validate when session is not null:
                    session.Session.Validate();
                    session.IsValidated = true;
                    break;
                case What.Close when session is not null:
                    session.Session.Close();
                    End(session);
                    Drop(DatagramDropReason.SessionEnded, session.Queued);
                    break;
                case What.Move when session is not null && _hasIdentifiers:
                    var isFull = session.Address != step.Address && CountOf(step.Address) == MaxPerAddress;
                    var displaced = isFull && _ending < MaxSessions ? OldestUnvalidated(step.Address) : null;
                    var fits = !isFull || displaced is not null;
                    Assert.Equal(fits, session.Session.TryMoveTo(new DatagramPath(peer)));
                    Evict(displaced);
                    if (fits)
                    {
                        (session.Address, session.IsValidated) = (step.Address, true);
                    }

                    break;
                case What.Beat:
                    _now += step.Address;
                    _endpoint.Beat(step.Address);
                    _model.Where(entry => _now - entry.Session.LastReceived >= IdleSeconds).ToList().ForEach(entry => End(entry.Session));
                    break;
                case What.Stop:
                    using (var deadline = new CancellationTokenSource())
                    {
                        _isStopped = true;
                        _ = _endpoint.StopAsync(deadline.Token);
                        _model.ToList().ForEach(entry => End(entry.Session));
                    }

                    break;
            }
        }

        private void Receive(Step step, SessionKey key, Modelled? session)
        {
            if (session is null)
            {
                if (Refusal(step) is { } refusal)
                {
                    Drop(refusal);
                    return;
                }

                Evict(
                    CountOf(step.Address) == MaxPerAddress ? OldestUnvalidated(step.Address)
                    : _model.Count == MaxSessions ? _model.First(static entry => !entry.Session.IsValidated).Session
                    : null);

                // One that is evicted before it was its turn is not called, and ends at once.
                _created++;
                Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref _begun) == _created, TestTimeout.Limit));
                session = new Modelled(step.Address, step.Admission == 2, _endpoint.Table.Find(in key)!);
                _model.Add((key, session));
            }

            session.LastReceived = _now;
            if (session.Queued == QueueLength)
            {
                Drop(DatagramDropReason.SessionQueueFull);
            }
            else
            {
                session.Queued++;
            }
        }

        private DatagramDropReason? Refusal(Step step) =>
            step.Admission == 0 ? DatagramDropReason.SessionRefused
            : _isStopped ? DatagramDropReason.Stopping
            : CountOf(step.Address) == MaxPerAddress && (step.Admission == 1 || OldestUnvalidated(step.Address) is null) ? DatagramDropReason.SessionLimitPerAddress
            : _ending >= (step.Admission == 2 ? MaxSessions : MaxSessions - (MaxSessions / 4)) ? DatagramDropReason.SessionLimit
            : CountOf(step.Address) == MaxPerAddress ? null
            : _model.Count == MaxSessions && _model.TrueForAll(static entry => entry.Session.IsValidated) ? DatagramDropReason.SessionLimit
            : null;

        private int CountOf(int address) => _model.Count(entry => entry.Session.Address == address);

        private Modelled? OldestUnvalidated(int address) => _model.Find(entry => entry.Session.Address == address && !entry.Session.IsValidated).Session;

        private void Evict(Modelled? session)
        {
            if (session is not null)
            {
                Assert.Equal(DatagramSessionEndReason.Evicted, session.Session.EndReason);
                End(session);
                Drop(DatagramDropReason.SessionEnded, session.Queued);
            }
        }

        private void End(Modelled session)
        {
            _model.RemoveAll(entry => entry.Session == session);
            _ending++;
        }

        private void Drop(DatagramDropReason reason, int count = 1) => _dropped[reason] = _dropped.GetValueOrDefault(reason) + count;

        private void CheckInvariants(Step step)
        {
            Assert.Equal(_model.Count, _endpoint.Table.Count);
            Assert.InRange(_endpoint.Table.Count, 0, MaxSessions);
            foreach (var (key, session) in _model)
            {
                Assert.Same(session.Session, _endpoint.Table.Find(in key));
                Assert.Null(session.Session.EndReason);
                Assert.Equal(session.IsValidated, session.Session.IsValidated);
                Assert.InRange(CountOf(session.Address), 1, MaxPerAddress);
            }

            foreach (var reason in Enum.GetValues<DatagramDropReason>())
            {
                Assert.True(_dropped.GetValueOrDefault(reason) == _endpoint.Dropped(reason), $"{reason} after {step}");
            }
        }
    }
}

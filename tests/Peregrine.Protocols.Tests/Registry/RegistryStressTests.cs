using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;

namespace Peregrine.Protocols.Tests.Registry;

/// <summary>Everything at once, for so many operations.</summary>
public sealed class RegistryStressTests
{
    private const string Lobby = "lobby";
    private const int Broadcasters = 2, Churners = 4, Messages = 3_000, Stayers = 20;
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);
    private static readonly IMessageWriter<ReadOnlySequence<byte>> s_format = new LengthFieldWriter(new() { Width = 2 });
    private readonly ConnectionRegistry _registry = new();
    private volatile bool _isOver;

    [Theory]
    [InlineData(SlowReceiverPolicy.Skip)]
    [InlineData(SlowReceiverPolicy.DropOldest)]
    [InlineData(SlowReceiverPolicy.Disconnect)]
    public async Task While_connections_come_join_leave_and_end_each_broadcast_reaches_those_who_stay_in_order(SlowReceiverPolicy slow)
    {
        var stayers = Enumerable.Range(0, Stayers).Select(_ => new Receiver(_registry, canBeSlow: false)).ToArray();
        Assert.All(stayers, stayer => Assert.True(stayer.Registered.TryJoin(Lobby)));
        var churning = Enumerable.Range(0, Churners).Select(seed => Task.Run(() => ChurnAsync(seed))).ToArray();
        var looking = Task.Run(() => LookAsync([.. stayers.Select(stayer => stayer.Registered)]));
        await Task.WhenAll(Enumerable.Range(0, Broadcasters).Select(id => Task.Run(() => BroadcastAsync(id, slow)))).WaitAsync(s_limit, TimeProvider.System);
        _isOver = true;
        await Task.WhenAll([looking, .. churning]).WaitAsync(s_limit, TimeProvider.System);

        // Those who stayed have every message, once.
        foreach (var stayer in stayers)
        {
            await stayer.EndAsync();
            Assert.All(stayer.Next, next => Assert.Equal(Messages, next));
        }

        Assert.Equal((0, 0, 0), (_registry.All.Count, _registry.Groups.Count, _registry.Keys.Count));
    }

    private async Task BroadcastAsync(int id, SlowReceiverPolicy slow)
    {
        var message = new byte[2 * sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(message, id);
        for (var i = 0; i < Messages; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(sizeof(int)), i);
            var result = await _registry.Group(Lobby).BroadcastAsync(new ReadOnlySequence<byte>(message), s_format, slow);
            Assert.True(result.Posted >= Stayers);
        }
    }

    private async Task ChurnAsync(int seed)
    {
        var random = new Random(seed);
        var receivers = new List<Receiver>();
        while (!_isOver)
        {
            if (receivers.Count < 10)
            {
                receivers.Add(new Receiver(_registry, canBeSlow: random.Next(4) == 0));
            }

            var receiver = receivers[random.Next(receivers.Count)];
            switch (random.Next(8))
            {
                case 0:
                    receivers.Remove(receiver);
                    await receiver.EndAsync();
                    break;
                case 1:
                    receivers.Remove(receiver);
                    receiver.Connection.Close();
                    await receiver.EndAsync();
                    break;
                case 2:
                    receiver.Registered.SetKey(random.Next(2) == 0 ? null : $"{random.Next(3)}");
                    break;
                case 3 or 4:
                    receiver.Registered.Leave(Lobby);
                    break;
                case 5:
                    // Alone in it as a rule: the group comes and goes, and who has joined is in the one that is there.
                    for (var i = 0; i < 20; i++)
                    {
                        receiver.Registered.TryJoin("corner");

                        // One that is slow may be taken out at any time.
                        Assert.True(Has(_registry.Group("corner"), receiver.Registered) || receiver.Registered.Groups.Count == 0);
                        receiver.Registered.Leave("corner");
                    }

                    break;
                default:
                    receiver.Registered.TryJoin(Lobby);
                    break;
            }
        }

        foreach (var receiver in receivers)
        {
            await receiver.EndAsync();
        }
    }

    private static bool Has(ConnectionSet set, RegisteredConnection connection)
    {
        foreach (var one in set)
        {
            if (one == connection)
            {
                return true;
            }
        }

        return false;
    }

    private Task LookAsync(RegisteredConnection[] stayers)
    {
        var met = new HashSet<RegisteredConnection>();
        while (!_isOver)
        {
            met.Clear();
            foreach (var one in _registry.Group(Lobby))
            {
                Assert.True(met.Add(one), "It is met twice.");
            }

            Assert.Superset(stayers.ToHashSet(), met);
        }

        return Task.CompletedTask;
    }

    /// <summary>A connection that checks what it receives: whole messages, those of each broadcaster in order. One that can be slow reads nothing until its end.</summary>
    private sealed class Receiver
    {
        private readonly Pipe _pipe;
        private readonly TaskCompletionSource _mayRead = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Task _reading;

        public Receiver(ConnectionRegistry registry, bool canBeSlow)
        {
            _pipe = new Pipe(new PipeOptions(pauseWriterThreshold: canBeSlow ? 64 : 0, resumeWriterThreshold: canBeSlow ? 32 : 0, useSynchronizationContext: false));
            Registered = registry.Register(Connection, new MessageWriter(_pipe.Writer, canBeSlow ? 256 : int.MaxValue));
            if (!canBeSlow)
            {
                _mayRead.SetResult();
            }

            _reading = ReadAsync();
        }

        public TestConnection Connection { get; } = new();

        public RegisteredConnection Registered { get; }

        public int[] Next { get; } = new int[Broadcasters];

        public async Task EndAsync()
        {
            _mayRead.TrySetResult();
            Registered.Dispose();
            await Registered.Writer.EndAsync();
            await _pipe.Writer.CompleteAsync();
            await _reading.WaitAsync(s_limit, TimeProvider.System);
        }

        private async Task ReadAsync()
        {
            await _mayRead.Task;
            var reader = new MessageReader<ReadOnlySequence<byte>>(_pipe.Reader, new LengthFieldReader(new() { Width = 2 }));
            await foreach (var message in reader.ReadAllAsync())
            {
                var bytes = message.ToArray();
                var (id, number) = (BinaryPrimitives.ReadInt32LittleEndian(bytes), BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(sizeof(int))));
                Assert.True(number >= Next[id], $"Message {number} of {id} came behind {Next[id]}.");
                Next[id] = number + 1;
            }
        }
    }
}

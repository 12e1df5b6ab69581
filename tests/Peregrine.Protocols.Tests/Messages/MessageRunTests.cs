using System.Buffers;
using System.Runtime.InteropServices;

namespace Peregrine.Protocols.Tests.Messages;

/// <summary>Small messages that a thread encodes one behind the other, for many receivers. Each test is on one thread until it has posted them.</summary>
public sealed class MessageRunTests
{
    private static readonly LengthFieldWriter s_format = new LengthFieldWriter(new() { Width = 2 });

    [Fact]
    public void Messages_that_follow_each_other_are_one_piece_for_all()
    {
        BeginRun();
        PendingBytes[] receivers = [new(), new()];
        for (byte i = 0; i < 16; i++)
        {
            Post(i, receivers);
        }

        foreach (var receiver in receivers)
        {
            Assert.Equal((16, 1, 48), (receiver.Messages, receiver.SharedPieces, receiver.Length));
        }

        Assert.True(receivers[0].TryGetSingle(out var one));
        Assert.True(receivers[1].TryGetSingle(out var other));
        Assert.Equal(Enumerable.Range(0, 16).SelectMany(i => new byte[] { 0, 1, (byte)i }), one.ToArray());
        Assert.True(MemoryMarshal.TryGetArray(one, out var inOne));
        Assert.True(MemoryMarshal.TryGetArray(other, out var inOther));
        Assert.Same(inOne.Array, inOther.Array);
        Assert.Equal(inOne.Offset, inOther.Offset);
        Array.ForEach(receivers, receiver => receiver.Clear());
    }

    [Fact]
    public void Others_are_pieces_of_their_own()
    {
        BeginRun();
        PendingBytes all = new(), few = new();
        Post(1, all, few);
        Post(2, all);
        Post(3, all, few);
        Assert.Equal((1, 2), (all.SharedPieces, few.SharedPieces));

        // Bytes of its own between them.
        s_format.Write((ReadOnlySpan<byte>)[4], few);
        Post(5, all, few);
        Assert.Equal((1, 3), (all.SharedPieces, few.SharedPieces));
        var output = new ArrayBufferWriter<byte>();
        few.CopyTo(output);
        Assert.Equal([0, 1, 1, 0, 1, 3, 0, 1, 4, 0, 1, 5], output.WrittenSpan.ToArray());

        // At the end of a run, another begins.
        BeginRun();
        Post(6, all, few);
        Assert.Equal((2, 4), (all.SharedPieces, few.SharedPieces));
        Assert.Equal(new byte[] { 0, 1, 1, 0, 1, 2, 0, 1, 3, 0, 1, 5, 0, 1, 6 }, SingleOf(all));
        Assert.Equal((0, 15), (all.SharedPieces, all.OwnLength));
        all.Clear();
        few.Clear();
    }

    [Fact]
    public void The_last_one_that_is_dropped_lets_go_of_the_run()
    {
        BeginRun();
        PendingBytes one = new(), other = new();
        var run = Post(1, one, other);
        Post(2, one, other);
        BeginRun();
        Assert.Equal(2, one.DropOldest());
        Assert.Equal((0, 0, 0), (one.Messages, one.SharedPieces, one.Length));
        Assert.NotEmpty(run.Array);
        other.Clear();
        Assert.Throws<ObjectDisposedException>(() => run.Array);
    }

    [Fact]
    public async Task A_slow_receiver_does_not_keep_what_other_messages_are_in()
    {
        GatedWriter[] slow = [new() { IsClosed = true }, new() { IsClosed = true }];
        var quick = new GatedWriter();
        MessageWriter[] writers = [.. slow.Select(output => new MessageWriter(output)), new(quick)];
        using var first = EncodedMessage.Create(new ReadOnlySequence<byte>([0]), s_format);
        Assert.All(writers, writer => Assert.True(writer.TryPost(first)));

        // The flush of the first is under way for two of them.
        BeginRun();
        var message = EncodedMessage.Create(new ReadOnlySequence<byte>([1]), s_format, isForOneCall: true);
        var run = message.Part.Bytes;
        Assert.All(writers, writer => Assert.True(writer.TryPost(message)));
        BeginRun();
        Assert.NotEmpty(run.Array);
        message.Dispose();
        Assert.Throws<ObjectDisposedException>(() => run.Array);
        for (var i = 0; i < slow.Length; i++)
        {
            await slow[i].EndFlushAsync();
            await slow[i].EndFlushAsync();
            Assert.Equal([[0], [1]], slow[i].Messages());
            Assert.Equal(0, writers[i].PendingBytes);
        }

        Assert.Equal([[0], [1]], quick.Messages());
    }

    [Fact]
    public void One_that_has_pieces_of_many_runs_keeps_no_more_of_them()
    {
        var pending = new PendingBytes();
        var runs = Enumerable.Range(0, 10).Select(i =>
        {
            BeginRun();
            return Post((byte)i, pending);
        }).ToArray();
        BeginRun();
        Assert.All(runs[..4], run => Assert.NotEmpty(run.Array));
        Assert.All(runs[4..], run => Assert.Throws<ObjectDisposedException>(() => run.Array));
        Assert.Equal(Enumerable.Range(0, 10).SelectMany(i => new byte[] { 0, 1, (byte)i }), SingleOf(pending));
        Assert.All(runs, run => Assert.Throws<ObjectDisposedException>(() => run.Array));
        pending.Clear();
    }

    private static byte[] SingleOf(PendingBytes pending)
    {
        Assert.True(pending.TryGetSingle(out var bytes));
        return bytes.ToArray();
    }

    /// <summary>To all of them, as a broadcast does.</summary>
    private static SharedBytes Post(byte content, params PendingBytes[] receivers)
    {
        using var message = EncodedMessage.Create(new ReadOnlySequence<byte>([content]), s_format, isForOneCall: true);
        message.Part.Bytes.Hold(receivers.Length);
        Array.ForEach(receivers, receiver => receiver.Add(message, waits: false));
        return message.Part.Bytes;
    }

    /// <summary>The next message is the first of a run.</summary>
    private static void BeginRun() => MessageRun.Append(new byte[MessageRun.Size]).Bytes.Release();
}

using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using Peregrine.Protocols.Tests.Handlers;

namespace Peregrine.Protocols.Tests.Messages;

public sealed class MessageReaderTests
{
    private readonly Pipe _pipe = new();

    [Fact]
    public async Task What_one_read_has_brought_is_handed_out_before_the_next()
    {
        var input = new CountingReader(_pipe.Reader);
        var reader = new MessageReader<ReadOnlySequence<byte>>(input, new LengthFieldReader(new() { Width = 1 }));
        await WriteAsync(1, 10, 2, 20, 21, 3, 30);
        Assert.False(reader.TryRead(out _));
        Assert.True(await reader.WaitToReadAsync());
        Assert.True(await reader.WaitToReadAsync());
        Assert.True(reader.TryRead(out var first));
        Assert.True(reader.TryRead(out var second));
        Assert.False(reader.TryRead(out _));
        Assert.Equal([10], first.ToArray());
        Assert.Equal([20, 21], second.ToArray());
        Assert.Equal(1, input.Reads);
        var next = reader.ReadAsync();
        Assert.False(next.IsCompleted);
        await WriteAsync(31, 32);
        Assert.Equal([30, 31, 32], (await next).Message.ToArray());
        await _pipe.Writer.CompleteAsync();
        Assert.True((await reader.ReadAsync()).IsCompleted);
        Assert.False(await reader.WaitToReadAsync());
    }

    [Fact]
    public async Task A_message_may_be_a_ref_struct()
    {
        var reader = new MessageReader<Pair>(_pipe.Reader, new PairReader());
        await WriteAsync(1, 2, 3, 4);
        Assert.True(await reader.WaitToReadAsync());
        var sum = 0;
        while (reader.TryRead(out var pair))
        {
            sum += pair.Both[0] * pair.Both[1];
        }

        Assert.Equal(2 + 12, sum);
    }

    [Fact]
    public async Task A_reader_is_told_how_far_it_has_looked()
    {
        var format = new LookingReader();
        var reader = new MessageReader<int>(_pipe.Reader, format);
        var read = reader.ReadAsync();
        for (byte i = 1; i <= 5; i++)
        {
            await WriteAsync(i);
        }

        await WriteAsync(0, 7, 0);
        Assert.Equal(5, (await read).Message);
        Assert.Equal(1, (await reader.ReadAsync()).Message);
        Assert.Equal(0, format.LookedTwice);
    }

    [Fact]
    public async Task What_is_skippable_is_behind_and_what_is_not_stays()
    {
        var reader = new MessageReader<int>(_pipe.Reader, new DigitReader());
        await WriteAsync("12x3!4"u8.ToArray());
        Assert.Equal(1, (await reader.ReadAsync()).Message);
        Assert.Equal(2, (await reader.ReadAsync()).Message);
        Assert.True((await Assert.ThrowsAsync<MessageFormatException>(async () => await reader.ReadAsync())).IsSkippable);
        Assert.Equal(3, (await reader.ReadAsync()).Message);
        for (var i = 0; i < 2; i++)
        {
            Assert.False((await Assert.ThrowsAsync<MessageFormatException>(async () => await reader.ReadAsync())).IsSkippable);
        }
    }

    [Fact]
    public async Task A_message_that_never_ends_is_refused_where_the_format_knows_no_length()
    {
        var reader = new MessageReader<int>(_pipe.Reader, new LookingReader { MaxMessageSizeInBytes = 10 });
        await WriteAsync(1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
        var read = reader.ReadAsync();
        Assert.False(read.IsCompleted);
        await WriteAsync(1);
        await Assert.ThrowsAsync<MessageTooLargeException>(async () => await read);
    }

    [Fact]
    public async Task What_belongs_to_no_message_is_let_go_and_an_end_behind_it_is_a_clean_one()
    {
        var reader = new MessageReader<int>(_pipe.Reader, new DigitReader { SkipsSpaces = true });
        await WriteAsync("1   "u8.ToArray());
        Assert.Equal(1, (await reader.ReadAsync()).Message);
        var read = reader.ReadAsync();
        Assert.False(read.IsCompleted);
        await WriteAsync("  2 "u8.ToArray());
        Assert.Equal(2, (await read).Message);
        var end = reader.ReadAsync();
        await _pipe.Writer.CompleteAsync();
        Assert.True((await end).IsCompleted);
    }

    [Fact]
    public async Task A_format_that_skips_is_asked_again_and_what_it_skips_is_no_part_of_a_message()
    {
        var format = new PaddedPairReader();
        var reader = new MessageReader<byte[]>(_pipe.Reader, format);
        await WriteAsync([.. new byte[20], 1, 2, .. new byte[20], 3, 4, 5, .. new byte[20]]);
        Assert.True(await reader.WaitToReadAsync());
        Assert.True(reader.TryRead(out var first));
        Assert.True(reader.TryRead(out var second));
        Assert.True(reader.TryRead(out var third));
        Assert.False(reader.TryRead(out _));
        Assert.Equal([[1, 2], [3, 4], [5, 0]], [first, second, third]);
        Assert.Equal([0, 45, 0, 23, 0, 0], format.LookedBefore);
        var last = reader.ReadAsync();
        Assert.False(last.IsCompleted);
        await WriteAsync(0, 0, 6);
        await _pipe.Writer.CompleteAsync();
        Assert.Equal([6], (await last).Message);
        Assert.True((await reader.ReadAsync()).IsCompleted);
    }

    [Fact]
    public async Task What_a_format_has_rented_goes_back_before_each_read_and_not_between_messages()
    {
        var format = new PaddedPairReader();
        var reader = new MessageReader<byte[]>(_pipe.Reader, format);
        await WriteAsync(1, 2, 3, 4, 5);
        Assert.True(await reader.WaitToReadAsync());
        var returned = format.Returned;
        Assert.True(reader.TryRead(out _));
        Assert.True(await reader.WaitToReadAsync());
        Assert.True(reader.TryRead(out _));
        Assert.False(reader.TryRead(out _));
        Assert.Equal(returned, format.Returned);
        var read = reader.WaitToReadAsync().AsTask();
        Assert.False(read.IsCompleted);
        Assert.Equal(returned + 1, format.Returned);
        await WriteAsync(6);
        Assert.True(await read);
        reader.Release();
        Assert.Equal(returned + 2, format.Returned);
    }

    [Fact]
    public async Task What_a_format_has_rented_goes_back_at_the_end_of_the_input()
    {
        var format = new PaddedPairReader();
        var reader = new MessageReader<byte[]>(_pipe.Reader, format);
        await WriteAsync(1, 2);
        await _pipe.Writer.CompleteAsync();
        Assert.Equal([1, 2], (await reader.ReadAsync()).Message);
        var returned = format.Returned;
        Assert.True((await reader.ReadAsync()).IsCompleted);
        Assert.True(format.Returned > returned);
    }

    [Fact]
    public async Task A_format_that_takes_nothing_is_told_so_and_not_asked_for_ever()
    {
        var reader = new MessageReader<int>(_pipe.Reader, new EmptyReader());
        await WriteAsync(1);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await reader.ReadAsync());
    }

    [Fact]
    public async Task The_end_of_the_input_ends_a_message_where_the_format_says_so()
    {
        var reader = new MessageReader<int>(_pipe.Reader, new LookingReader { EndsAtEnd = true });
        await WriteAsync(1, 0, 1, 1);
        await _pipe.Writer.CompleteAsync();
        Assert.Equal(1, (await reader.ReadAsync()).Message);
        Assert.Equal(2, (await reader.ReadAsync()).Message);
        Assert.True((await reader.ReadAsync()).IsCompleted);
    }

    [Fact]
    public async Task Another_format_goes_on_where_the_last_one_has_ended()
    {
        var reader = new MessageReader<ReadOnlySequence<byte>>(_pipe.Reader, new LengthFieldReader(new() { Width = 1 }));
        await WriteAsync(1, 42, (byte)'5', (byte)'6');
        Assert.Equal([42], (await reader.ReadAsync()).Message.ToArray());
        var digits = reader.SwitchTo(new DigitReader());
        Assert.Throws<InvalidOperationException>(() => reader.TryRead(out _));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await reader.WaitToReadAsync());
        Assert.Equal(5, (await digits.ReadAsync()).Message);
        Assert.Equal(1, digits.Release());
        Assert.Equal("6"u8.ToArray(), (await _pipe.Reader.ReadAsync()).Buffer.ToArray());
    }

    [Fact]
    public async Task Lines_go_on_behind_frames_though_both_have_come_in_one_read_in_any_segments()
    {
        byte[] bytes = [2, 0, 1, 0, .. "a\r\nbc\n"u8];
        for (var first = 0; first <= bytes.Length; first++)
        {
            for (var second = first; second <= bytes.Length; second++)
            {
                var frames = new MessageReader<ReadOnlySequence<byte>>(PipeReader.Create(Segments.Of(bytes, first, second)), new LengthFieldReader(new() { Width = 1 }));
                Assert.Equal([0, 1], (await frames.ReadAsync()).Message.ToArray());
                Assert.Equal(0, (await frames.ReadAsync()).Message.Length);
                var lines = frames.SwitchTo(new TextMessageReader(new LineReader()));
                Assert.Equal("a", (await lines.ReadAsync()).Message);
                Assert.Equal("bc", (await lines.ReadAsync()).Message);
                Assert.True((await lines.ReadAsync()).IsCompleted);
            }
        }
    }

    [Fact]
    public async Task A_cancelled_wait_loses_nothing()
    {
        var reader = new MessageReader<ReadOnlySequence<byte>>(_pipe.Reader, new LengthFieldReader(new() { Width = 1 }));
        using var cancellation = new CancellationTokenSource();
        var byToken = reader.ReadAsync(cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await byToken);
        await WriteAsync(3, 0);
        var read = reader.ReadAsync();
        Assert.False(read.IsCompleted);
        _pipe.Reader.CancelPendingRead();
        await Assert.ThrowsAsync<OperationCanceledException>(async () => await read);

        // What came with the cancellation is not taken for looked at.
        _pipe.Reader.CancelPendingRead();
        await WriteAsync(1, 2);
        await Assert.ThrowsAsync<OperationCanceledException>(async () => await reader.ReadAsync());
        Assert.Equal([0, 1, 2], (await reader.ReadAsync()).Message.ToArray());
    }

    [Fact]
    public async Task What_a_format_is_given_begins_with_a_byte_though_a_message_has_ended_where_a_segment_does()
    {
        var reader = new MessageReader<Numbers.Number>(PipeReader.Create(Segments.Of(new byte[] { 1, 2, 3, 4 }, 0, 1, 1, 3)), new Numbers());
        var numbers = new List<int>();
        while (await reader.WaitToReadAsync())
        {
            while (reader.TryRead(out var number))
            {
                numbers.Add(number.Value);
            }
        }

        Assert.Equal([1, 2, 3, 4], numbers);
    }

    [Fact]
    public async Task A_cancellation_is_not_lost_with_a_switch_of_formats()
    {
        var frames = new MessageReader<ReadOnlySequence<byte>>(_pipe.Reader, new LengthFieldReader(new() { Width = 1 }));
        await WriteAsync((byte)'5', (byte)'6');
        _pipe.Reader.CancelPendingRead();
        var digits = frames.SwitchTo(new DigitReader());
        await Assert.ThrowsAsync<OperationCanceledException>(async () => await digits.ReadAsync());
        Assert.Equal(2, digits.Release());
    }

    [Fact]
    public async Task What_is_left_is_counted_also_behind_a_cancelled_wait()
    {
        var reader = new MessageReader<ReadOnlySequence<byte>>(_pipe.Reader, new LengthFieldReader(new() { Width = 1 }));
        await WriteAsync(9, 1, 2);
        Assert.True(await reader.WaitToReadAsync());
        Assert.False(reader.TryRead(out _));
        var wait = reader.WaitToReadAsync();
        _pipe.Reader.CancelPendingRead();
        await Assert.ThrowsAsync<OperationCanceledException>(async () => await wait);
        Assert.Equal(3, reader.Release());
    }

    [Fact]
    public async Task Nothing_is_allocated_for_a_message()
    {
        const int Messages = 1000, MostRounds = 10;
        var input = PipeReader.Create(new ReadOnlySequence<byte>([.. Enumerable.Repeat<byte[]>([3, 1, 2, 3], Messages * MostRounds).SelectMany(message => message)]));
        var reader = new MessageReader<ReadOnlySequence<byte>>(input, new LengthFieldReader(new() { Width = 1 }));
        Assert.True(await reader.WaitToReadAsync());
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < Messages; i++)
            {
                Assert.True(reader.TryRead(out var message) && message.Length == 3);
            }
        }));
    }

    private async Task WriteAsync(params byte[] bytes) => await _pipe.Writer.WriteAsync(bytes);

    private readonly ref struct Pair(ReadOnlySpan<byte> both)
    {
        public ReadOnlySpan<byte> Both { get; } = both;
    }

    private sealed class PairReader : IMessageReader<Pair>
    {
        public bool TryParse(
            scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out Pair message)
        {
            message = default;
            if (input.FirstSpan.Length < 2)
            {
                return false;
            }

            message = new Pair(input.First.Span[..2]);
            consumed = input.GetPosition(2);
            return true;
        }
    }

    /// <summary>Bytes up to a zero; a message is their number.</summary>
    private sealed class LookingReader : IMessageReader<int>
    {
        private readonly HashSet<byte> _seen = [];

        public int LookedTwice { get; private set; }

        public bool EndsAtEnd { get; init; }

        public int MaxMessageSizeInBytes { get; init; } = 100;

        public bool TryParse(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out int message)
        {
            var rest = input.Slice(examined);
            message = default;
            foreach (var one in rest.ToArray().TakeWhile(one => one != 0))
            {
                LookedTwice += _seen.Add(one) || EndsAtEnd || MaxMessageSizeInBytes < 100 ? 0 : 1;
            }

            if (rest.PositionOf((byte)0) is { } zero)
            {
                message = (int)input.Slice(0, zero).Length;
                consumed = input.GetPosition(1, zero);
                return true;
            }

            examined = input.End;
            return false;
        }

        public bool TryParseLast(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, out int message)
        {
            message = (int)input.Length;
            consumed = EndsAtEnd ? input.End : consumed;
            return EndsAtEnd;
        }
    }

    private sealed class DigitReader : IMessageReader<int>
    {
        public bool SkipsSpaces { get; init; }

        public bool TryParse(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, out int message)
        {
            message = input.FirstSpan[0] - '0';
            if (SkipsSpaces && input.FirstSpan[0] == ' ')
            {
                consumed = input.GetPosition(1);
                return !input.Slice(consumed).IsEmpty && TryParse(input.Slice(consumed), ref consumed, ref examined, out message);
            }

            if (input.FirstSpan[0] == '!')
            {
                throw new MessageFormatException();
            }

            consumed = input.GetPosition(1);
            return message is >= 0 and <= 9 ? true : throw new MessageFormatException();
        }
    }

    /// <summary>Two bytes, or at the end one, behind zeros that it skips by themselves.</summary>
    private sealed class PaddedPairReader : IMessageReader<byte[]>
    {
        public int Returned { get; private set; }

        /// <summary>How much of each input it was told that it has looked at.</summary>
        public List<long> LookedBefore { get; } = [];

        public int MaxMessageSizeInBytes => 2;

        public bool TryParse(
            scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, [NotNullWhen(true)] out byte[]? message)
        {
            LookedBefore.Add(input.Slice(input.Start, examined).Length);
            var zeros = input.FirstSpan.IndexOfAnyExcept((byte)0);
            if (zeros != 0)
            {
                examined = input.End;
                consumed = zeros < 0 ? input.End : input.GetPosition(zeros);
                message = null;
                return false;
            }

            message = input.Length < 2 ? null : input.Slice(0, 2).ToArray();
            consumed = input.GetPosition(message?.Length ?? 0);
            return message is not null;
        }

        public bool TryParseLast(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, [NotNullWhen(true)] out byte[]? message)
        {
            message = input.ToArray();
            consumed = input.End;
            return true;
        }

        public void ReturnBuffers() => Returned++;
    }

    private sealed class EmptyReader : IMessageReader<int>
    {
        public bool TryParse(scoped in ReadOnlySequence<byte> input, scoped ref SequencePosition consumed, scoped ref SequencePosition examined, [NotNullWhen(true)] out int message)
        {
            message = 1;
            return true;
        }
    }

    private sealed class CountingReader(PipeReader inner) : PipeReader
    {
        public int Reads { get; private set; }

        public override void AdvanceTo(SequencePosition consumed) => inner.AdvanceTo(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => inner.AdvanceTo(consumed, examined);

        public override void CancelPendingRead() => inner.CancelPendingRead();

        public override void Complete(Exception? exception = null) => inner.Complete(exception);

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            Reads++;
            return inner.ReadAsync(cancellationToken);
        }

        public override bool TryRead(out ReadResult result) => inner.TryRead(out result);
    }
}

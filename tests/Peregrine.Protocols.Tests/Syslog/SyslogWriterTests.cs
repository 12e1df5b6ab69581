using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Peregrine.Protocols.Tests.Syslog;

public sealed class SyslogWriterTests
{
    private readonly SyslogEntry _entry = new()
    {
        Facility = SyslogFacility.Local4,
        Severity = SyslogSeverity.Notice,
        Timestamp = new DateTimeOffset(2026, 11, 29, 10, 0, 0, TimeSpan.FromHours(-3.5)).AddTicks(1234567),
        HostName = "host",
        AppName = "app",
        ProcessId = "12",
        MessageId = "ID",
        Text = "täxt",
    };

    [Fact]
    public void An_entry_is_a_message_of_RFC_5424()
    {
        Assert.Equal("74 <165>1 2026-11-29T10:00:00.123456-03:30 host app 12 ID [a@1 b=\"\"][c] täxt", Write(_entry.AddElement("a@1", ("b", "")).AddElement("c")));
        _entry.HasByteOrderMark = true;
        Assert.EndsWith("[c] \uFEFFtäxt", Write(_entry), StringComparison.Ordinal);
        _entry.Clear();
        Assert.Equal("17 <14>1 - - - - - -", Write(_entry));
        Assert.Equal("<14>1 - - - - - -\n", Write(_entry, new() { Framing = SyslogFraming.NonTransparent }));
    }

    [Fact]
    public void What_RFC_5424_does_not_allow_is_refused()
    {
        Action<SyslogEntry>[] changes =
        [
            entry => entry.Facility = (SyslogFacility)24, entry => entry.Severity = (SyslogSeverity)8, entry => entry.Severity = (SyslogSeverity)(-1),
            entry => entry.HostName = "a b", entry => entry.AppName = "ä", entry => entry.ProcessId = "\u007F", entry => entry.MessageId = "\n",
            entry => entry.HostName = new string('a', 256), entry => entry.AppName = new string('a', 49),
            entry => entry.ProcessId = new string('a', 129), entry => entry.MessageId = new string('a', 33),
        ];
        foreach (var change in changes)
        {
            var entry = new SyslogEntry();
            Write(entry);
            change(entry);
            Assert.Throws<MessageFormatException>(() => Write(entry));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("a=")]
    [InlineData("a]")]
    [InlineData("a\"")]
    [InlineData("a b")]
    [InlineData("ä")]
    [InlineData("a23456789012345678901234567890123")]
    public void An_element_with_a_name_that_is_none_is_not_added(string name)
    {
        var written = Write(_entry);
        Assert.Throws<MessageFormatException>(() => _entry.AddElement(name));
        Assert.Throws<MessageFormatException>(() => _entry.AddElement("a", ("b", "c"), (name, "x")));
        Assert.Equal(written, Write(_entry));
    }

    [Fact]
    public void A_message_that_its_framing_cannot_say_is_refused()
    {
        var lines = new SyslogOptions { Framing = SyslogFraming.NonTransparent, MaxMessageSizeInBytes = 40 };
        _entry.Clear();
        _entry.Text = "a\nb";
        Assert.EndsWith(" a\nb", Write(_entry), StringComparison.Ordinal);
        Assert.Throws<MessageFormatException>(() => Write(_entry, lines));
        _entry.Text = new string('a', 22);
        Assert.Equal(41, Write(_entry, lines).Length);
        _entry.Text += "a";
        Assert.Throws<MessageTooLargeException>(() => Write(_entry, lines));
        Assert.Throws<MessageTooLargeException>(() => Write(_entry, new() { MaxMessageSizeInBytes = 40 }));
    }

    [Fact]
    public void Half_of_a_pair_of_surrogates_loses_no_message()
    {
        _entry.Clear();
        _entry.Text = $"a{(char)0xD800}";
        Assert.EndsWith(" [a b=\"\uFFFD\"] a\uFFFD", Write(_entry.AddElement("a", ("b", $"{(char)0xDC00}"))), StringComparison.Ordinal);
    }

    [Fact]
    public void Any_entry_passes_cut_anywhere()
    {
        var name = Gen.Elements("a", "x@32473", "~!", "a2345678901234567890123456789012");
        var text = Gen.OneOf(Gen.Elements('"', '\\', ']', '[', ' ', '=', '\n', '\uFEFF', 'n'), Gen.Choose(0, 0xD7FF).Select(value => (char)value)).ArrayOf().Select(chars => new string(chars));
        var elements = name.Zip(name.Zip(text).ArrayOf(5)).ArrayOf(4);
        var time = Gen.Choose(0, int.MaxValue).Zip(Gen.Choose(-14 * 60, 14 * 60));
        Prop.ForAll(elements.Zip(text).Zip(time).Zip(Gen.Choose(0, int.MaxValue)).ToArbitrary(), async tried =>
        {
            var (((data, said), (seconds, minutes)), place) = tried;
            var entry = new SyslogEntry
            {
                Timestamp = DateTimeOffset.FromUnixTimeSeconds(seconds).AddMicroseconds(place % 1_000_000).ToOffset(TimeSpan.FromMinutes(minutes)),
                Facility = (SyslogFacility)(place % 24),
                Severity = (SyslogSeverity)(place % 8),
                HasByteOrderMark = place % 2 == 0,
                Text = said,
                HostName = data.FirstOrDefault().Item1,
            };
            foreach (var (id, parameters) in data)
            {
                entry.AddElement(id, parameters);
            }

            var bytes = Encoding.UTF8.GetBytes(Write(entry));
            var read = (await new MessageReader<SyslogFrame>(PipeReader.Create(Segments.Of(bytes, place % (bytes.Length + 1))), new SyslogReader()).ReadAsync()).Message;
            Assert.True(SyslogMessage.TryParse(read.Bytes, out var message));
            Assert.Equal((entry.Timestamp, entry.Facility, entry.Severity), (message.Timestamp, message.Facility, message.Severity));
            var found = new List<(string, (string, string)[])>();
            foreach (var element in message.StructuredData)
            {
                var parameters = new List<(string, string)>();
                foreach (var parameter in element)
                {
                    parameters.Add((parameter.Name.ToString(), parameter.Value.ToString()));
                }

                found.Add((element.Id.ToString(), [.. parameters]));
            }

            Assert.Equal(data, found);

            // A text of its own that begins with the mark is taken for one with it.
            var isMarked = said.Length > 0 && (entry.HasByteOrderMark || said[0] == '\uFEFF');
            Assert.Equal(isMarked, message.HasByteOrderMark);
            Assert.Equal(isMarked && !entry.HasByteOrderMark ? said[1..] : said, Encoding.UTF8.GetString(message.Text));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300).WithReplay(20_263, 77));
    }

    [Fact]
    public void Nothing_is_allocated_for_an_entry_that_is_used_again()
    {
        var bytes = new ArrayBufferWriter<byte>(1 << 16);
        var writer = new SyslogWriter();
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                bytes.ResetWrittenCount();
                _entry.Clear();
                _entry.Timestamp = DateTimeOffset.UnixEpoch;
                _entry.Text = "text";
                writer.Write(_entry.AddElement("a@1", ("b", "c\""), ("d", "")), bytes);
            }
        }));
        Assert.Equal("70 <14>1 1970-01-01T00:00:00.000000+00:00 - - - - [a@1 b=\"c\\\"\" d=\"\"] text", Encoding.UTF8.GetString(bytes.WrittenSpan));
    }

    private static string Write(SyslogEntry entry, SyslogOptions? options = null)
    {
        var bytes = new ArrayBufferWriter<byte>();
        new SyslogWriter(options).Write(entry, bytes);
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }
}

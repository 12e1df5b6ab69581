using System.Buffers;
using System.Globalization;
using System.Text;

namespace Peregrine.Protocols.Tests.Syslog;

public sealed class SyslogMessageTests
{
    [Fact]
    public void A_message_has_its_fields_its_structured_data_and_its_text()
    {
        var message = Parse("<165>1 2026-08-24T05:14:15.000003-07:00 host.example.org evntslog 8710 ID47 [origin ip=\"192.0.2.1\" ip=\"192.0.2.2\"][x@32473 empty=\"\" q=\"a\\\"b\\]\\\\c\\d\"] \uFEFFäh");
        Assert.Equal((SyslogFacility.Local4, SyslogSeverity.Notice), (message.Facility, message.Severity));
        Assert.Equal(new DateTimeOffset(2026, 8, 24, 5, 14, 15, TimeSpan.FromHours(-7)).AddTicks(30), message.Timestamp);
        Assert.Equal(TimeSpan.FromHours(-7), message.Timestamp?.Offset);
        Assert.Equal(("host.example.org", "evntslog", "8710", "ID47"), (message.HostName.ToString(), message.AppName.ToString(), message.ProcessId.ToString(), message.MessageId.ToString()));
        Assert.Equal(["origin: ip=192.0.2.1, ip=192.0.2.2", "x@32473: empty=, q=a\"b]\\c\\d"], ElementsOf(message.StructuredData));
        Assert.True(message.StructuredData.TryGet("x@32473"u8, "q"u8, out var value));
        Assert.Equal("a\"b]\\c\\d", value.ToString());
        Assert.True(message.StructuredData.TryGet("origin"u8, "ip"u8, out value));
        Assert.Equal("192.0.2.1", value.ToString());
        Assert.False(message.StructuredData.TryGet("origin"u8, "q"u8, out _));
        Assert.False(message.StructuredData.TryGet("x"u8, "q"u8, out _));
        Assert.True(message.HasByteOrderMark);
        Assert.Equal("äh", Encoding.UTF8.GetString(message.Text));
    }

    [Theory]
    [InlineData("<0>1 - - - - - -", "", false)]
    [InlineData("<0>1 - - - - - - ", "", false)]
    [InlineData("<0>1 - - - - - -  a [b] \n", " a [b] \n", false)]
    [InlineData("<0>1 - - - - - - \uFEFF", "", true)]
    public void What_is_not_given_is_empty(string text, string expected, bool hasMark)
    {
        var message = Parse(text);
        Assert.Equal((SyslogFacility.Kernel, SyslogSeverity.Emergency), (message.Facility, message.Severity));
        Assert.Null(message.Timestamp);
        Assert.True(message.HostName.IsEmpty && message.AppName.IsEmpty && message.ProcessId.IsEmpty && message.MessageId.IsEmpty && message.StructuredData.IsEmpty);
        Assert.Empty(ElementsOf(message.StructuredData));
        Assert.Equal(expected, Encoding.UTF8.GetString(message.Text));
        Assert.Equal(hasMark, message.HasByteOrderMark);
    }

    [Theory]
    [InlineData("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.5200000+00:00")]
    [InlineData("1985-04-12T23:20:50Z", "1985-04-12T23:20:50.0000000+00:00")]
    [InlineData("2024-02-29T00:00:00.123456+05:30", "2024-02-29T00:00:00.1234560+05:30")]
    [InlineData("2024-02-29T23:59:59.000001-00:00", "2024-02-29T23:59:59.0000010+00:00")]
    [InlineData("2024-02-29T00:00:00.1+14:00", "2024-02-29T00:00:00.1000000+14:00")]
    [InlineData("2024-03-01T12:00:00+23:59", "2024-02-29T12:01:00.0000000+00:00")]
    [InlineData("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.9999990+00:00")]
    [InlineData("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000000+00:00")]
    public void Times_are_of_up_to_a_microsecond_with_an_offset(string text, string expected) =>
        Assert.Equal(expected, Parse($"<1>1 {text} - - - - -").Timestamp?.ToString("O", CultureInfo.InvariantCulture));

    [Theory]
    [InlineData("1985-04-12T23:20:60Z")]
    [InlineData("1985-04-12T24:00:00Z")]
    [InlineData("1985-04-12T23:60:00Z")]
    [InlineData("2023-02-29T00:00:00Z")]
    [InlineData("2023-00-01T00:00:00Z")]
    [InlineData("2023-13-01T00:00:00Z")]
    [InlineData("2023-01-00T00:00:00Z")]
    [InlineData("0000-01-01T00:00:00Z")]
    [InlineData("0001-01-01T00:00:00+01:00")]
    [InlineData("9999-12-31T23:59:59-01:00")]
    [InlineData("2003-08-24T05:14:15.0000031Z")]
    [InlineData("2003-08-24T05:14:15.Z")]
    [InlineData("2003-08-24T05:14:15")]
    [InlineData("2003-08-24T05:14:15.1")]
    [InlineData("2003-08-24t05:14:15Z")]
    [InlineData("2003-08-24T05:14:15z")]
    [InlineData("2003-08-24T05:14:15ZZ")]
    [InlineData("2003-08-24T05:14:15+24:00")]
    [InlineData("2003-08-24T05:14:15+0100")]
    [InlineData("2003-08-24T05:14:15+01:000")]
    [InlineData("2003-8-24T05:14:15Z")]
    [InlineData("+003-08-24T05:14:15Z")]
    [InlineData("")]
    [InlineData("--")]
    public void A_time_that_is_none_makes_no_message(string text) => AssertNone($"<1>1 {text} - - - - -");

    [Theory]
    [InlineData("")]
    [InlineData("<34>Oct 11 22:14:15 mymachine su: 'su root' failed")]
    [InlineData("34>1 - - - - - -")]
    [InlineData("<>1 - - - - - -")]
    [InlineData("<192>1 - - - - - -")]
    [InlineData("<1000>1 - - - - - -")]
    [InlineData("<01>1 - - - - - -")]
    [InlineData("<+1>1 - - - - - -")]
    [InlineData("<1 - - - - - -")]
    [InlineData("<1>2 - - - - - -")]
    [InlineData("<1>1- - - - - -")]
    [InlineData("<1>1  - - - - - -")]
    [InlineData("<1>1 - - - - -")]
    [InlineData("<1>1 -  - - - -")]
    [InlineData("<1>1 - ä - - - -")]
    [InlineData("<1>1 - a\tb - - - -")]
    [InlineData("<1>1 - - - - - -x")]
    [InlineData("<1>1 - - - - - - -", true)]
    [InlineData("<1>1 - - - - - []")]
    [InlineData("<1>1 - - - - - [ a]")]
    [InlineData("<1>1 - - - - - [a")]
    [InlineData("<1>1 - - - - - [a ]")]
    [InlineData("<1>1 - - - - - [a b]")]
    [InlineData("<1>1 - - - - - [a b=]")]
    [InlineData("<1>1 - - - - - [a b=c]")]
    [InlineData("<1>1 - - - - - [a b=\"c]")]
    [InlineData("<1>1 - - - - - [a b=\"c\"")]
    [InlineData("<1>1 - - - - - [a b=\"]\"]")]
    [InlineData("<1>1 - - - - - [a b=\"\\\"]")]
    [InlineData("<1>1 - - - - - [a b=\"\\")]
    [InlineData("<1>1 - - - - - [a b=\"c\"d=\"e\"]")]
    [InlineData("<1>1 - - - - - [a  b=\"c\"]")]
    [InlineData("<1>1 - - - - - [a =\"c\"]")]
    [InlineData("<1>1 - - - - - [a=b]")]
    [InlineData("<1>1 - - - - - [a\"]")]
    [InlineData("<1>1 - - - - - [a]x")]
    [InlineData("<1>1 - - - - - [a][")]
    [InlineData("<1>1 - - - - - [a] [b]", true)]
    public void What_is_not_of_RFC_5424_is_no_message(string text, bool isText = false)
    {
        // Of two, the last part is the text.
        if (isText)
        {
            Assert.False(Parse(text).Text.IsEmpty);
        }
        else
        {
            AssertNone(text);
        }
    }

    [Theory]
    [InlineData("<1>1 - {0} - - - -", 255)]
    [InlineData("<1>1 - - {0} - - -", 48)]
    [InlineData("<1>1 - - - {0} - -", 128)]
    [InlineData("<1>1 - - - - {0} -", 32)]
    [InlineData("<1>1 - - - - - [{0}]", 32)]
    [InlineData("<1>1 - - - - - [a {0}=\"\"]", 32)]
    public void Fields_and_names_are_as_long_as_they_may_be(string format, int most)
    {
        Parse(string.Format(CultureInfo.InvariantCulture, format, new string('~', most)));
        AssertNone(string.Format(CultureInfo.InvariantCulture, format, new string('~', most + 1)));
    }

    private static string[] ElementsOf(SyslogStructuredData data)
    {
        var elements = new List<string>();
        foreach (var element in data)
        {
            var parameters = new List<string>();
            foreach (var (name, value) in element)
            {
                parameters.Add($"{name}={value}");
            }

            elements.Add($"{element.Id}: {string.Join(", ", parameters)}");
        }

        return [.. elements];
    }

    /// <summary>The same in one segment and in any two.</summary>
    private static SyslogMessage Parse(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Assert.True(SyslogMessage.TryParse(new ReadOnlySequence<byte>(bytes), out var whole), text);
        for (var cut = 0; cut <= bytes.Length; cut++)
        {
            Assert.True(SyslogMessage.TryParse(Segments.Of(bytes, cut), out var message));
            Assert.Equal(whole.Timestamp, message.Timestamp);
            Assert.Equal(ElementsOf(whole.StructuredData), ElementsOf(message.StructuredData));
            Assert.Equal(whole.Text.ToArray(), message.Text.ToArray());
            Assert.Equal(whole.MessageId.ToString(), message.MessageId.ToString());
        }

        return whole;
    }

    private static void AssertNone(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Assert.False(SyslogMessage.TryParse(new ReadOnlySequence<byte>(bytes), out _), text);
        Assert.False(SyslogMessage.TryParse(Segments.Of(bytes, bytes.Length / 2), out _), text);
    }
}

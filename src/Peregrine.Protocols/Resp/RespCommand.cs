using System.Buffers;
using Peregrine.Protocols.Resp;

namespace Peregrine.Protocols;

/// <summary>
/// A command, as a client sends it to a server: its name and its arguments, each of any bytes. A view over what was received, valid until its reader waits for more or looks for the
/// next command.
/// </summary>
public readonly ref struct RespCommand
{
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly ReadOnlySpan<RespRange> _arguments;
    private readonly ReadOnlySequence<byte> _segments;
    private readonly RespCommandReader _reader;

    internal RespCommand(RespCommandReader reader, ReadOnlySpan<RespRange> arguments, ReadOnlySpan<byte> bytes, ReadOnlySequence<byte> segments)
    {
        _reader = reader;
        _arguments = arguments;
        _bytes = bytes;
        _segments = segments;
    }

    /// <summary>How many arguments there are, the name included. From 1.</summary>
    public int Count => _arguments.Length;

    /// <summary>
    /// An argument; the first one (0) is the name. It is not copied, unless it is in several segments: then the command is put into one pooled array once, of as many bytes as
    /// were received of it.
    /// </summary>
    /// <exception cref="IndexOutOfRangeException">There is no such argument.</exception>
    public ReadOnlySpan<byte> this[int index]
    {
        get
        {
            var argument = _arguments[index];
            return _bytes.IsEmpty ? _reader.SpanOf(_segments, argument, _arguments[^1]) : _bytes.Slice(argument.Start, argument.Length);
        }
    }

    /// <summary>An argument, which is never copied.</summary>
    /// <exception cref="IndexOutOfRangeException">There is no such argument.</exception>
    public ReadOnlySequence<byte> GetSequence(int index)
    {
        var (start, length) = _arguments[index];
        return _segments.Slice(start, length);
    }
}

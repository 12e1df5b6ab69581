using System.Buffers;

namespace Peregrine.Protocols.Cobs;

/// <summary>Writes a message as runs, each when it is known how long it is.</summary>
internal ref struct CobsRuns(IBufferWriter<byte> output)
{
    // Of the run that is not written yet; its code is in front.
    private Span<byte> _run = output.GetSpan(CobsCode.FullRun);
    private int _length;
    private bool _isRequired = true;
    private long _written;

    public void Write(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var part = bytes[..Math.Min(bytes.Length, CobsCode.LongestRun - _length)];
            var zero = part.IndexOf((byte)0);
            if (zero >= 0)
            {
                part = part[..zero];
            }

            part.CopyTo(_run[(1 + _length)..]);
            _length += part.Length;
            bytes = bytes[(zero < 0 ? part.Length : zero + 1)..];
            if (zero >= 0 || _length == CobsCode.LongestRun)
            {
                // A zero is said by a run behind it, if only by an empty one.
                WriteRun();
                _isRequired = zero >= 0;
                _run = output.GetSpan(CobsCode.FullRun);
            }
        }
    }

    /// <returns>How many bytes the message has become.</returns>
    public long End()
    {
        if (_isRequired || _length > 0)
        {
            WriteRun();
        }

        return _written;
    }

    private void WriteRun()
    {
        _run[0] = (byte)(_length + 1);
        output.Advance(_length + 1);
        _written += _length + 1;
        _length = 0;
    }
}

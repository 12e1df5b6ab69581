using System.Buffers;

namespace Peregrine.Protocols;

/// <summary>A message of syslog as it came, whatever its format: a view over its bytes.</summary>
/// <param name="Bytes">The message, without its framing. Never empty.</param>
/// <param name="IsTruncated">It was larger, and its end is missing: see <see cref="SyslogOptions.TruncatesLargeMessages"/>.</param>
public readonly record struct SyslogFrame(ReadOnlySequence<byte> Bytes, bool IsTruncated);

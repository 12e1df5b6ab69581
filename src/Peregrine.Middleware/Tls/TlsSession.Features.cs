using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections.Features;
using Peregrine.Features;

namespace Peregrine.Middleware.Tls;

/// <summary>The features that are not true of the transport alone when TLS is above it.</summary>
internal sealed partial class TlsSession : IConnectionBufferFeature, IConnectionHalfCloseFeature
{
    /// <summary>What SslStream keeps while a record has not come whole.</summary>
    private const int RecordBufferInBytes = 32 * 1024;

    private readonly IConnectionBufferFeature? _transportBuffers;
    private IConnectionHalfCloseFeature? _transportHalfClose;
    private IConnectionSendFileFeature? _transportSendFile;

    public long UnreadBytes => _reader.UnreadBytes + _stream.PartialRecordBytes + (_transportBuffers?.UnreadBytes ?? 0);

    public long UnreadMemoryInBytes =>
        _reader.UnreadMemory + (_stream.PartialRecordBytes > 0 ? RecordBufferInBytes : 0) + (_transportBuffers?.UnreadMemoryInBytes ?? 0);

    public long? ConsumedBytes => _reader.ConsumedBytes;

    public long UnsentBytes => _writer.UnsentBytes + (_transportBuffers?.UnsentBytes ?? 0);

    public long? UnacknowledgedBytes => _transportBuffers?.UnacknowledgedBytes;

    public long? AcknowledgedBytes => _transportBuffers?.AcknowledgedBytes;

    public long? UnreceivedBytes => _transportBuffers?.UnreceivedBytes;

    /// <summary>A read that waits while nothing is read of the transport, as in a pause of its read rate, does not wait for the peer.</summary>
    public bool IsReadPending => _reader.IsReading && _transportBuffers?.IsReadPending != false;

    public bool IsSendPending => _writer.IsSending || _transportBuffers?.IsSendPending == true;

    /// <summary>Nothing of TLS waits for the peer but in front of the transport.</summary>
    public TimeSpan? SendPendingTime => _transportBuffers?.SendPendingTime;

    /// <summary>Nothing happens above the transport that does not also happen there, but for what is written and not flushed.</summary>
    public uint? ActivityStamp => _transportBuffers?.ActivityStamp;

    public IUnsentBytesLimit? UnsentBytesLimit
    {
        get => _transportBuffers?.UnsentBytesLimit;
        set => _transportBuffers?.UnsentBytesLimit = value;
    }

    /// <summary>The handshake is done: puts itself in the transport's place.</summary>
    public void Open()
    {
        _stream.EndDecrypting();
        _stream.FlushesWrites = false;
        var features = _connection.Features;
        var result = new TlsHandshakeResult(Tls);
        features.Set<ITlsHandshakeFeature>(result);
        features.Set<ITlsConnectionFeature>(result);
        _transportHalfClose = features.Get<IConnectionHalfCloseFeature>();
        _transportSendFile = features.Get<IConnectionSendFileFeature>();
        if (_transportBuffers is not null)
        {
            features.Set<IConnectionBufferFeature>(this);
        }

        features.Set<IConnectionHalfCloseFeature>(this);
        features.Set<IConnectionSendFileFeature>(null);
        _connection.Transport = this;
    }

    /// <summary>Gives the transport its place back.</summary>
    private void Leave()
    {
        _connection.Transport = _transport;
        var features = _connection.Features;
        features.Set(_transportHalfClose);
        features.Set(_transportSendFile);
        if (_transportBuffers is not null)
        {
            features.Set(_transportBuffers);
        }
    }

    /// <summary>The close_notify, and then the transport's FIN.</summary>
    public async ValueTask CompleteOutputAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var output = _connection.Transport.Output;
        await output.CompleteAsync().ConfigureAwait(false);
        if (output == _writer && _transportHalfClose is not null)
        {
            await _transportHalfClose.CompleteOutputAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}

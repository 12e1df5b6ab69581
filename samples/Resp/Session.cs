using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Protocols;

namespace Resp;

/// <summary>What the server knows of a connection, and its answers on their way.</summary>
/// <remarks>
/// Answers are written straight to the connection's output. From the first subscription on, others write to it too: then answers are collected, and go through a
/// <see cref="MessageWriter"/>, which keeps apart what comes from several threads. All but <see cref="Post"/> is called by the connection's own flow.
/// </remarks>
internal sealed class Session(ConnectionContext connection, long id, RespServerOptions options)
{
    private const int MuchToSend = 64 * 1024;

    private readonly PipeWriter _output = connection.Transport.Output;
    private ArrayBufferWriter<byte>? _answers;
    private MessageWriter? _messages;
    private volatile bool _hasEnded;

    public long Id => id;

    public string Name { get; set; } = "";

    public RespVersion Version { get; set; } = RespVersion.Resp2;

    /// <summary>What it is subscribed to.</summary>
    public HashSet<byte[]> Channels { get; } = new(ByteStrings.Comparer);

    /// <inheritdoc cref="Channels"/>
    public HashSet<byte[]> Patterns { get; } = new(ByteStrings.Comparer);

    /// <summary>It cannot tell answers from what is published, and may send few commands.</summary>
    public bool IsSubscriberOfResp2 => Version == RespVersion.Resp2 && SubscriptionCount > 0;

    public int SubscriptionCount => Channels.Count + Patterns.Count;

    public bool HasRoomForSubscription => SubscriptionCount < options.MaxSubscriptions;

    /// <summary>For the answer to one command: another one may change the version, or the output.</summary>
    public RespWriter Reply => new(_answers is null ? _output : _answers, Version);

    /// <summary>No command is read any more; what was answered is sent.</summary>
    public bool IsEnding { get; private set; }

    /// <summary>A client that asks for large values without reading any is waited for in between.</summary>
    public bool HasMuchToSend => (_answers?.WrittenCount ?? _output.UnflushedBytes) >= MuchToSend;

    public void End() => IsEnding = true;

    public ValueTask<FlushResult> FlushAsync()
    {
        if (_messages is null)
        {
            return _output.FlushAsync();
        }

        PassAnswers();
        return _messages.FlushAsync();
    }

    /// <summary>Others may write from here on (<see cref="Post"/>).</summary>
    public void ShareOutput()
    {
        _messages ??= new MessageWriter(_output, options.MaxPendingBytes);
        _answers ??= new ArrayBufferWriter<byte>();
    }

    /// <summary>What was answered so far goes out before what is posted from here on.</summary>
    public void PassAnswers()
    {
        if (_answers!.WrittenCount > 0)
        {
            _messages!.Write(_answers.WrittenSpan, ByteStrings.Format);
            _answers.ResetWrittenCount();
        }
    }

    /// <summary>Sends a message of somebody else's. A subscriber that does not read is disconnected. May be called from any thread.</summary>
    public void Post(EncodedMessage message)
    {
        // One that ends takes no more, and its last answers are not to be lost.
        if (!_messages!.TryPost(message) && !_hasEnded)
        {
            connection.Features.Get<IConnectionCloseFeature>()?.TrySetReason(ConnectionCloseReason.SlowConsumer);
            connection.Abort(new ConnectionAbortedException("The subscriber does not read what is published."));
        }
    }

    public async ValueTask EndAsync()
    {
        _hasEnded = true;
        if (_messages is not null)
        {
            await _messages.EndAsync();
        }
    }
}

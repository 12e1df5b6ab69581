using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.Win32.SafeHandles;

namespace Peregrine.Features;

/// <summary>Sends files over any connection.</summary>
public static class ConnectionSendFileExtensions
{
    private const int CopySize = 64 * 1024;

    /// <summary>
    /// Sends a part of a file by <see cref="IConnectionSendFileFeature"/>; over a connection that has none (a transport without it, or
    /// middleware such as TLS, which must see the bytes), by copying it through the output, 64 KiB at a time.
    /// </summary>
    /// <inheritdoc cref="IConnectionSendFileFeature.SendFileAsync"/>
    public static ValueTask<FlushResult> SendFileAsync(
        this ConnectionContext connection, SafeFileHandle file, long offset, long count, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(file);
        return connection.Features.Get<IConnectionSendFileFeature>() is { } feature
            ? feature.SendFileAsync(file, offset, count, cancellationToken)
            : CopyAsync(connection, file, offset, count, cancellationToken);
    }

    private static async ValueTask<FlushResult> CopyAsync(
        ConnectionContext connection, SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Math.Max(0, RandomAccess.GetLength(file) - offset));
        var output = connection.Transport.Output;
        try
        {
            var result = await output.FlushAsync(cancellationToken).ConfigureAwait(false);
            while (count > 0 && !result.IsCompleted)
            {
                var memory = output.GetMemory((int)Math.Min(count, CopySize));
                memory = memory[..(int)Math.Min(count, memory.Length)];
                var read = await RandomAccess.ReadAsync(file, memory, offset, cancellationToken).ConfigureAwait(false);
                if (read == 0)
                {
                    connection.Abort(new ConnectionAbortedException("A file that was being sent has become shorter."));
                    return new FlushResult(isCanceled: false, isCompleted: true);
                }

                output.Advance(read);
                offset += read;
                count -= read;
                result = await output.FlushAsync(cancellationToken).ConfigureAwait(false);
            }

            return new FlushResult(isCanceled: false, result.IsCompleted);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            connection.Abort(new ConnectionAbortedException("The sending of a file was cancelled."));
            throw;
        }
    }
}

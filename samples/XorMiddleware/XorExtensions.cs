using System.Buffers;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Middleware;

namespace XorMiddleware;

/// <summary>Hides bytes from the eye, and from nobody else.</summary>
public static class XorExtensions
{
    /// <summary>Combines every byte, of both directions, with a key that both sides know.</summary>
    public static TBuilder UseXor<TBuilder>(this TBuilder builder, byte key)
        where TBuilder : IConnectionBuilder
    {
        builder.Use(next => connection => RunAsync(connection, key, key, next));
        return builder;
    }

    /// <summary>The same with keys that the sides tell each other: the first byte of each direction is the key of the others.</summary>
    public static TBuilder UseXor<TBuilder>(this TBuilder builder)
        where TBuilder : IConnectionBuilder
    {
        builder.Use(next => async connection =>
        {
            var (input, output) = (connection.Transport.Input, connection.Transport.Output);
            var keys = new byte[2];
            using (await connection.BeginHandshakeAsync())
            {
                RandomNumberGenerator.Fill(keys.AsSpan(0, 1));
                await output.WriteAsync(keys.AsMemory(0, 1));
                var read = await input.ReadAsync();
                if (read.Buffer.IsEmpty)
                {
                    return; // The peer has ended before its key.
                }

                read.Buffer.Slice(0, 1).CopyTo(keys.AsSpan(1));
                input.AdvanceTo(read.Buffer.GetPosition(1));
            }

            connection.Features.Set(new XorKeys(keys[0], keys[1]));
            await RunAsync(connection, sent: keys[0], received: keys[1], next);
        });
        return builder;
    }

    internal static void Apply(byte key, Span<byte> bytes)
    {
        foreach (ref var one in bytes)
        {
            one ^= key;
        }
    }

    private static Task RunAsync(ConnectionContext connection, byte sent, byte received, ConnectionDelegate next) => connection.RunWithTransportAsync(
        new XorReader(connection.Transport.Input, received), new XorWriter(connection.Transport.Output, sent), next);
}

/// <summary>What the handshake has brought, for whoever asks: <c>connection.Features.Get&lt;XorKeys&gt;()</c>.</summary>
public sealed record XorKeys(byte Sent, byte Received);

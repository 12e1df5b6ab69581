using System.Runtime.InteropServices;

namespace Peregrine.LoadTest.Driving.Linux;

/// <summary>
/// What the TLS connections of the client have in common. It trusts every certificate, which only a load driver may. One protocol version and one
/// cipher suite are offered, those that OpenSSL prefers: a contestant cannot be faster by another choice. With resumption, a connection offers the
/// ticket of one that has ended; without, never one, so every handshake is a full one. Resumption is for one thread.
/// </summary>
internal sealed unsafe class TlsClient : IDisposable
{
    private const string CipherSuite = "TLS_AES_256_GCM_SHA384";
    private const int Version13 = 0x0304;

    // ssl.h.
    private const int SetMode = 33;
    private const int SetReadAhead = 41;
    private const int SetSessionCacheMode = 44;
    private const int SetLowestVersion = 123;
    private const int SetHighestVersion = 124;
    private const int PartialWrites = 1;
    private const int MovingBuffers = 2;
    private const ulong IgnoreUnexpectedEnd = 1 << 7;

    private readonly nint _context;
    private readonly bool _resume;
    private readonly Stack<nint> _sessions = [];

    public TlsClient(bool resume)
    {
        if (!OpenSsl.IsInstalled)
        {
            throw new InvalidDataException("the client needs OpenSSL 3 (libssl.so.3): install it (the package libssl3).");
        }

        _context = OpenSsl.NewContext(OpenSsl.ClientMethod());
        _resume = resume;
        Expect(OpenSsl.Control(_context, SetLowestVersion, Version13, 0), "TLS 1.3");
        Expect(OpenSsl.Control(_context, SetHighestVersion, Version13, 0), "TLS 1.3");
        Expect(OpenSsl.SetCipherSuites(_context, CipherSuite), CipherSuite);
        OpenSsl.Control(_context, SetMode, PartialWrites | MovingBuffers, 0);

        // One system call for a record, not one for its header and one for the rest.
        OpenSsl.Control(_context, SetReadAhead, 1, 0);
        OpenSsl.Control(_context, SetSessionCacheMode, 0, 0);

        // A server that ends with FIN alone loses no message here: each is counted and compared.
        OpenSsl.SetOptions(_context, IgnoreUnexpectedEnd);
    }

    /// <summary>The version and the cipher suite of the first handshake; null before it.</summary>
    public string? Negotiated { get; private set; }

    public nint CreateConnection(int descriptor)
    {
        var connection = OpenSsl.NewConnection(_context);
        Expect(OpenSsl.SetDescriptor(connection, descriptor), "SSL_set_fd");
        if (_sessions.TryPop(out var session))
        {
            Expect(OpenSsl.SetSession(connection, session), "SSL_set_session");
            OpenSsl.FreeSession(session);
        }

        return connection;
    }

    public void OnHandshakeCompleted(nint connection) => Negotiated ??=
        $"{Marshal.PtrToStringUTF8((nint)OpenSsl.GetVersion(connection))}, {Marshal.PtrToStringUTF8((nint)OpenSsl.GetCipherName(OpenSsl.GetCipher(connection)))}";

    /// <summary>Frees it, and keeps its ticket, if it may be used.</summary>
    public void Release(nint connection)
    {
        if (_resume && OpenSsl.GetSession(connection) is var session and not 0)
        {
            if (OpenSsl.IsResumable(session) == 1)
            {
                _sessions.Push(session);
            }
            else
            {
                OpenSsl.FreeSession(session);
            }
        }

        OpenSsl.FreeConnection(connection);
    }

    public void Dispose()
    {
        while (_sessions.TryPop(out var session))
        {
            OpenSsl.FreeSession(session);
        }

        OpenSsl.FreeContext(_context);
    }

    private static void Expect(nint result, string what)
    {
        if (result != 1)
        {
            throw new InvalidDataException($"OpenSSL does not accept {what}.");
        }
    }
}

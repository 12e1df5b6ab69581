using System.Runtime.InteropServices;

namespace Peregrine.LoadTest.Driving.Linux;

/// <summary>
/// The client's half of OpenSSL 3, as in section 3 of its manual: the library that the runtime's own TLS stands on, used without the runtime's
/// streams. An SslStream would cost the client as much as the server, and the client would be measured.
/// </summary>
internal static unsafe partial class OpenSsl
{
    private const string Tls = "libssl.so.3";
    private const string Crypto = "libcrypto.so.3";

    public static bool IsInstalled { get; } = NativeLibrary.TryLoad(Tls, out _);

    [LibraryImport(Tls, EntryPoint = "TLS_client_method")]
    public static partial nint ClientMethod();

    [LibraryImport(Tls, EntryPoint = "SSL_CTX_new")]
    public static partial nint NewContext(nint method);

    [LibraryImport(Tls, EntryPoint = "SSL_CTX_free")]
    public static partial void FreeContext(nint context);

    [LibraryImport(Tls, EntryPoint = "SSL_CTX_ctrl")]
    public static partial nint Control(nint context, int command, nint value, nint argument);

    [LibraryImport(Tls, EntryPoint = "SSL_CTX_set_options")]
    public static partial ulong SetOptions(nint context, ulong options);

    [LibraryImport(Tls, EntryPoint = "SSL_CTX_set_ciphersuites", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetCipherSuites(nint context, string suites);

    [LibraryImport(Tls, EntryPoint = "SSL_new")]
    public static partial nint NewConnection(nint context);

    [LibraryImport(Tls, EntryPoint = "SSL_free")]
    public static partial void FreeConnection(nint connection);

    [LibraryImport(Tls, EntryPoint = "SSL_set_fd")]
    public static partial int SetDescriptor(nint connection, int descriptor);

    [LibraryImport(Tls, EntryPoint = "SSL_connect", SetLastError = true)]
    public static partial int Connect(nint connection);

    [LibraryImport(Tls, EntryPoint = "SSL_read", SetLastError = true)]
    public static partial int Read(nint connection, byte* buffer, int length);

    [LibraryImport(Tls, EntryPoint = "SSL_write", SetLastError = true)]
    public static partial int Write(nint connection, byte* bytes, int length);

    [LibraryImport(Tls, EntryPoint = "SSL_has_pending")]
    public static partial int HasPending(nint connection);

    [LibraryImport(Tls, EntryPoint = "SSL_shutdown", SetLastError = true)]
    public static partial int Shutdown(nint connection);

    [LibraryImport(Tls, EntryPoint = "SSL_get_error")]
    public static partial int GetError(nint connection, int result);

    [LibraryImport(Tls, EntryPoint = "SSL_get1_session")]
    public static partial nint GetSession(nint connection);

    [LibraryImport(Tls, EntryPoint = "SSL_set_session")]
    public static partial int SetSession(nint connection, nint session);

    [LibraryImport(Tls, EntryPoint = "SSL_session_reused")]
    public static partial int IsSessionReused(nint connection);

    [LibraryImport(Tls, EntryPoint = "SSL_SESSION_is_resumable")]
    public static partial int IsResumable(nint session);

    [LibraryImport(Tls, EntryPoint = "SSL_SESSION_free")]
    public static partial void FreeSession(nint session);

    [LibraryImport(Tls, EntryPoint = "SSL_get_version")]
    public static partial byte* GetVersion(nint connection);

    [LibraryImport(Tls, EntryPoint = "SSL_get_current_cipher")]
    public static partial nint GetCipher(nint connection);

    [LibraryImport(Tls, EntryPoint = "SSL_CIPHER_get_name")]
    public static partial byte* GetCipherName(nint cipher);

    [LibraryImport(Crypto, EntryPoint = "ERR_get_error")]
    public static partial nuint TakeError();

    [LibraryImport(Crypto, EntryPoint = "ERR_reason_error_string")]
    public static partial byte* Reason(nuint error);
}

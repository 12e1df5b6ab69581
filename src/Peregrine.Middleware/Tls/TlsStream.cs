using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Peregrine.Middleware.Tls;

/// <summary>An <see cref="SslStream"/> that remembers why a certificate was refused: its exception does not tell.</summary>
internal sealed class TlsStream(Stream transport) : SslStream(transport, leaveInnerStreamOpen: true)
{
    /// <summary>Why the peer's certificate was refused; null if it was not.</summary>
    public string? Refusal { get; private set; }

    /// <summary>Accepts what is valid, and what the option that says so accepts, unless the application says no.</summary>
    /// <param name="certificate">The peer's.</param>
    /// <param name="chain">Built of it.</param>
    /// <param name="errors">What is wrong with it.</param>
    /// <param name="isRequired">The peer must have one.</param>
    /// <param name="acceptsAny">Whatever is wrong with it.</param>
    /// <param name="validation">The application's.</param>
    public bool Validate(
        X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors, bool isRequired, bool acceptsAny, Func<X509Certificate2, X509Chain?, bool>? validation)
    {
        if (certificate is not X509Certificate2 peer)
        {
            Refusal = isRequired ? "the peer has sent no certificate, and one is required" : null;
        }
        else if (errors != SslPolicyErrors.None && !acceptsAny)
        {
            var status = chain?.ChainStatus.Select(entry => entry.Status.ToString()).Distinct() ?? [];
            Refusal = $"the certificate \"{peer.Subject}\" is not valid: {string.Join(", ", status.Prepend(errors.ToString()))}";
        }
        else if (validation is not null && !IsAccepted(validation, peer, chain))
        {
            Refusal = $"the application refuses the certificate \"{peer.Subject}\"";
        }

        return Refusal is null;
    }

    private static bool IsAccepted(Func<X509Certificate2, X509Chain?, bool> validation, X509Certificate2 peer, X509Chain? chain) => validation(peer, chain);
}

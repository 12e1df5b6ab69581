using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Peregrine.Middleware.Tls.Certificates;

/// <summary>How the chain of a peer's certificate is built.</summary>
internal static class PeerCertificates
{
    /// <param name="roots">The only ones that are trusted; null for those of the system.</param>
    /// <param name="revocation">Whether it is asked if it was revoked.</param>
    /// <param name="usage">What the certificate must be for.</param>
    public static X509ChainPolicy CreatePolicy(X509Certificate2Collection? roots, X509RevocationMode revocation, string usage)
    {
        var policy = new X509ChainPolicy { RevocationMode = revocation, RevocationFlag = X509RevocationFlag.ExcludeRoot };
        policy.ApplicationPolicy.Add(new Oid(usage));
        if (roots is not null)
        {
            policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            foreach (var root in roots)
            {
                policy.CustomTrustStore.Add(root);
            }
        }

        return policy;
    }
}

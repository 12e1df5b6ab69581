namespace Peregrine.Middleware.Sessions;

/// <summary>What may be sent to an address that nobody has proven to be the sender's: three times what has come from it (RFC 9000 §8.1).</summary>
internal static class Amplification
{
    private const int Factor = 3;

    public static long AllowanceOf(int receivedBytes) => (long)Factor * receivedBytes;

    /// <summary>Takes the bytes out of an allowance.</summary>
    /// <returns>False if they are more than is left: nothing is taken then.</returns>
    public static bool TrySpend(ref long allowance, int bytes)
    {
        if (bytes > allowance)
        {
            return false;
        }

        allowance -= bytes;
        return true;
    }
}

namespace Peregrine;

/// <summary>By which system calls datagrams are received and sent.</summary>
public enum DatagramIo
{
    /// <summary><see cref="Batched"/> where the system has it, otherwise <see cref="OneByOne"/>. The default; which one it is is logged at the start.</summary>
    Auto = 0,

    /// <summary>Many datagrams with each call (recvmmsg(2), sendmmsg(2)). Linux only: elsewhere, and where a sandbox refuses the calls, the start fails.</summary>
    Batched,

    /// <summary>One datagram with each call, by the runtime's sockets: everywhere.</summary>
    OneByOne,
}

namespace Peregrine.Sockets.Tests;

/// <summary>What stands behind the seam, and where connections go on.</summary>
public enum TestedSocket
{
    /// <summary>SocketAsyncEventArgs and the thread pool: what is used elsewhere than on Linux.</summary>
    EventArgs,

    /// <summary>The scheduling ThreadPool.</summary>
    ThreadPool,

    /// <summary>The scheduling EventLoop.</summary>
    EventLoop,
}

internal static class TestedSocketExtensions
{
    extension(SocketTransportOptions options)
    {
        public TestedSocket Tested
        {
            set
            {
                options.Scheduling = value == TestedSocket.EventLoop ? ConnectionScheduling.EventLoop : ConnectionScheduling.ThreadPool;
                options.UsesEventArgs = value == TestedSocket.EventArgs;
            }
        }
    }
}

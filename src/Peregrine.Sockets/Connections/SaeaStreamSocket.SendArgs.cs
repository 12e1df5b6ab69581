using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Extensions.ObjectPool;

namespace Peregrine.Sockets.Connections;

/// <content>The send that waits.</content>
internal readonly partial struct SaeaStreamSocket
{
    internal sealed class SendArgs() : SocketAsyncEventArgs(true), IThreadPoolWorkItem
    {
        private State? _state;

        public IoResult Result => _state!.Reported(new IoResult(SocketError == SocketError.Success ? BytesTransferred : 0, SocketError));

        public void Begin(State state, ReadOnlyMemory<byte> data)
        {
            Debug.Assert(_state is null);
            _state = state;
            SetBuffer(MemoryMarshal.AsMemory(data));
        }

        /// <summary>Gives the args back; the buffer is the caller's again.</summary>
        public State End()
        {
            var state = _state!;
            _state = null;
            SetBuffer(null, 0, 0);
            state.SendArgsPool.Return(this);
            return state;
        }

        protected override void OnCompleted(SocketAsyncEventArgs e) => State.Complete(this);

        void IThreadPoolWorkItem.Execute()
        {
            var result = Result;
            End().Completions.OnSent(result);
        }
    }

    internal sealed class SendArgsPolicy : PooledObjectPolicy<SendArgs>
    {
        public override SendArgs Create() => new();

        public override bool Return(SendArgs obj) => true;
    }
}

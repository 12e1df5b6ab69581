using System.Globalization;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

// AnswerServer URL BYTES CONNECTIONS: when so many connections are there, sends each as many bytes, and closes it. Byte n is n modulo 251.
var answer = new byte[int.Parse(args[1], CultureInfo.InvariantCulture)];
for (var i = 0; i < answer.Length; i++)
{
    answer[i] = (byte)(i % 251);
}

var missing = int.Parse(args[2], CultureInfo.InvariantCulture);
var complete = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
var builder = Host.CreateApplicationBuilder();
builder.Services.AddPeregrine(server => server.Listen(args[0], tcp => tcp.Run(async connection =>
{
    if (Interlocked.Decrement(ref missing) == 0)
    {
        complete.SetResult();
    }

    await complete.Task;
    await connection.Transport.Output.WriteAsync(answer);
})));
await builder.Build().RunAsync();

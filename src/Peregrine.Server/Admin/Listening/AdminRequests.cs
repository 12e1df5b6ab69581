using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Peregrine.Features;
using Peregrine.Server.Admin.Protocol;
using Peregrine.Server.Endpoints;

namespace Peregrine.Server.Admin.Listening;

/// <summary>Does what requests ask for. Safe to use from any thread.</summary>
internal sealed class AdminRequests(PeregrineServer server, PeregrineAdmin admin, TimeProvider clock)
{
    /// <summary>What is queued for an endpoint may have to wait for places; it goes on after that.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    public async Task<AdminResponse> AnswerAsync(AdminRequest request, CancellationToken cancellationToken)
    {
        if (request.Version is not (null or AdminProtocol.Version))
        {
            return Refuse(AdminErrors.Version, $"This server speaks version {AdminProtocol.Version} of the protocol, not {request.Version}.") with { Id = request.Id };
        }

        AdminResponse response;
        try
        {
            response = request.Request switch
            {
                AdminProtocol.Server => new AdminResponse { Server = Describe() },
                AdminProtocol.Connections => List(request),
                AdminProtocol.Connection => WithConnection(request, id => admin.FindConnection(id) is { } found ? new AdminResponse { Connection = Describe(found) } : null),
                AdminProtocol.Close => WithConnection(request, id => admin.CloseConnection(id) ? new AdminResponse() : null),
                AdminProtocol.Abort => WithConnection(request, id => admin.AbortConnection(id) ? new AdminResponse() : null),
                AdminProtocol.Suspend => await ChangeAsync(request, static (endpoint, canceled) => endpoint.SuspendAsync(canceled), cancellationToken).ConfigureAwait(false),
                AdminProtocol.Resume => await ChangeAsync(request, static (endpoint, canceled) => endpoint.ResumeAsync(canceled), cancellationToken).ConfigureAwait(false),
                AdminProtocol.Set => Set(request),
                _ => Refuse(AdminErrors.BadRequest, $"There is no request \"{request.Request}\"."),
            };
        }
        catch (ArgumentException exception)
        {
            response = Refuse(AdminErrors.Refused, exception.Message);
        }

        return response with { Id = request.Id };
    }

    public static AdminResponse Refuse(string code, string message) => new() { Error = new AdminError(code, message.ReplaceLineEndings(" ")) };

    private AdminResponse List(AdminRequest request)
    {
        if (!Enum.TryParse<ConnectionOrder>(request.Order ?? nameof(ConnectionOrder.Age), ignoreCase: true, out var order) || !Enum.IsDefined(order))
        {
            return Refuse(AdminErrors.BadRequest, $"The order \"{request.Order}\" is not one of {string.Join(", ", Enum.GetNames<ConnectionOrder>())}.");
        }

        if (request is { Skip: < 0 } or { Take: < 1 or > ConnectionQuery.MaxTake })
        {
            return Refuse(AdminErrors.BadRequest, $"skip is a number from 0, take one from 1 to {ConnectionQuery.MaxTake}.");
        }

        var query = new ConnectionQuery { Endpoint = request.Endpoint, Order = order };
        var page = admin.ListConnections(query with { Skip = request.Skip ?? query.Skip, Take = request.Take ?? query.Take });
        return new AdminResponse { Connections = new AdminConnections(page.Total, [.. page.Connections.Select(Describe)]) };
    }

    private static AdminResponse WithConnection(AdminRequest request, Func<string, AdminResponse?> act) =>
        request.Connection is not { } id ? Refuse(AdminErrors.BadRequest, "It needs a connection.")
        : act(id) ?? Refuse(AdminErrors.NotFound, $"There is no connection \"{id}\", or no more.");

    private async Task<AdminResponse> ChangeAsync(AdminRequest request, Func<ServerEndpoint, CancellationToken, Task> change, CancellationToken cancellationToken)
    {
        var endpoint = server.Endpoints.FirstOrDefault(endpoint => endpoint.Name.Equals(request.Endpoint, StringComparison.OrdinalIgnoreCase));
        if (endpoint is null)
        {
            return Refuse(
                AdminErrors.NotFound,
                $"There is no endpoint \"{request.Endpoint}\"; there are {string.Join(", ", server.Endpoints.Select(endpoint => $"\"{endpoint.Name}\""))}.");
        }

        try
        {
            await change(endpoint, cancellationToken).WaitAsync(LongestWait, clock, cancellationToken).ConfigureAwait(false);
            return new AdminResponse();
        }
        catch (TimeoutException)
        {
            return Refuse(AdminErrors.Failed, $"It is not done after {LongestWait.TotalSeconds:0} seconds, and goes on: what is queued for \"{endpoint.Name}\" waits for places.");
        }
        catch (Exception exception) when (exception is SocketException or IOException or InvalidOperationException)
        {
            return Refuse(AdminErrors.Failed, exception is AddressInUseException
                ? $"An address of \"{endpoint.Name}\" is in use by now; it stays suspended, and can be resumed when the address is free."
                : exception.Message);
        }
    }

    private AdminResponse Set(AdminRequest request)
    {
        if (request.Settings is not { Count: > 0 } settings)
        {
            return Refuse(AdminErrors.BadRequest, "It needs settings.");
        }

        admin.ChangeSettings(settings);
        return new AdminResponse();
    }

    private AdminServer Describe() => new()
    {
        ProcessId = Environment.ProcessId,
        State = server.State.ToString(),
        Endpoints = [.. server.Endpoints.Select(Describe)],
        Sockets = server.CountSockets()?.ToDictionary(static state => state.Key.ToString(), static state => state.Value),
        ChangedSettings = admin.ChangedSettings,
    };

    private static AdminEndpoint Describe(ServerEndpoint endpoint)
    {
        Span<int> stages = stackalloc int[3];
        if (endpoint.Tracker is { } tracker)
        {
            foreach (var connection in ConnectionListing.Walk([tracker]))
            {
                stages[(int)ConnectionListing.StageOf(connection)]++;
            }
        }

        return new AdminEndpoint
        {
            Name = endpoint.Name,
            Url = endpoint.Url,
            Addresses = [.. endpoint.Addresses.Select(static address => address.ToString() ?? "")],
            IsSuspended = endpoint.IsSuspended,
            Handshaking = stages[(int)ConnectionStage.Handshaking],
            Handling = stages[(int)ConnectionStage.Handling],
            Closing = stages[(int)ConnectionStage.Closing],
            Datagrams = endpoint.Datagrams is { } counters ? Describe(counters) : null,
        };
    }

    private static AdminDatagrams Describe(DatagramCounters counters) => new(
        counters.Received,
        counters.Sent,
        Enum.GetValues<DatagramDropReason>().Where(reason => counters.GetDropped(reason) > 0).ToDictionary(static reason => reason.ToString(), counters.GetDropped));

    private static AdminConnection Describe(ConnectionSnapshot connection) => new()
    {
        Id = connection.Id,
        Endpoint = connection.Endpoint,
        Remote = connection.RemoteEndPoint?.ToString(),
        Local = connection.LocalEndPoint?.ToString(),
        AgeInSeconds = connection.Age.TotalSeconds,
        QuietInSeconds = connection.Quiet?.TotalSeconds,
        Stage = connection.Stage.ToString(),
        IsCloseRequested = connection.IsCloseRequested,
        CloseReason = connection.CloseReason == ConnectionCloseReason.None ? null : connection.CloseReason.ToString(),
        BytesReceived = connection.BytesReceived,
        BytesSent = connection.BytesSent,
        UnreadBytes = connection.UnreadBytes,
        UnsentBytes = connection.UnsentBytes,
        Tcp = connection.Tcp is { } tcp ? Describe(tcp) : null,
        Tls = connection.Tls is { } tls ? new AdminTls(tls.Protocol, tls.CipherSuite, tls.HostName, tls.ApplicationProtocol) : null,
    };

    private static AdminTcp Describe(in TcpConnectionInfo tcp) => new()
    {
        State = tcp.State.ToString(),
        RoundTripTimeInSeconds = tcp.RoundTripTime.TotalSeconds,
        RoundTripTimeVarianceInSeconds = tcp.RoundTripTimeVariance.TotalSeconds,
        Retransmits = tcp.Retransmits,
        UnacknowledgedBytes = tcp.UnacknowledgedBytes,
        UnsentBytes = tcp.UnsentBytes,
        DeliveryRateInBytesPerSecond = tcp.DeliveryRateInBytesPerSecond,
        CongestionWindowInSegments = tcp.CongestionWindowInSegments,
    };
}

using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Net.Client;
using Inspectd.V1;

namespace Inspectd.Client;

/// <summary>
/// A client of one daemon. It connects with the first call, and again with the next call after the connection broke.
/// </summary>
public sealed class InspectdClient : IDisposable
{
    private readonly GrpcChannel channel;
    private readonly TimeSpan answerTimeout;

    /// <summary>Creates a client.</summary>
    /// <exception cref="ArgumentException">The address or the credentials cannot be used.</exception>
    public InspectdClient(InspectdOptions options)
    {
        var address = Client.Address.Parse(options.Address);
        Address = address.Text;
        answerTimeout = options.AnswerTimeout;
        channel = Connection.Open(address, options);
        Invoker = Connection.Authorize(channel, address, options);
        Inspection = new InspectionService.InspectionServiceClient(Invoker);
        Line = new LineService.LineServiceClient(Invoker);
    }

    /// <summary>The address of the daemon.</summary>
    public string Address { get; }

    /// <summary>The generated client of the inspection service.</summary>
    public InspectionService.InspectionServiceClient Inspection { get; }

    /// <summary>The generated client of the line service.</summary>
    public LineService.LineServiceClient Line { get; }

    /// <summary>For the generated clients of other services: sends the token with each call.</summary>
    public CallInvoker Invoker { get; }

    /// <summary>
    /// Streams verdicts. The stream reconnects and resumes by itself. With a consumer, a verdict is acknowledged when the next
    /// one is requested: the body of the loop has processed it then. A verdict at which the loop is left is not acknowledged.
    /// </summary>
    /// <exception cref="InspectdException">A permanent error, such as an unknown camera.</exception>
    public async IAsyncEnumerable<Verdict> VerdictsAsync(
        Subscription subscription, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        var onLoss = subscription.OnLoss ?? WriteLoss;
        await using var stream = Subscribe(subscription);
        await foreach (var item in stream.EventsAsync(cancellation).ConfigureAwait(false))
        {
            switch (item)
            {
                case VerdictEvent { Verdict: var verdict }:
                    yield return verdict;
                    if (subscription.Consumer is not null)
                    {
                        stream.Acknowledge(verdict.Sequence);
                    }
                    break;
                case LostEvent lost:
                    onLoss($"verdicts {(lost.First == 0 ? "up" : lost.First)} to {lost.Last} are lost");
                    break;
                case MissedEvent missed:
                    onLoss($"{missed.Count} verdicts were missed: this client reads too slowly");
                    break;
            }
        }
    }

    /// <summary>Subscribes to all events: verdicts, losses, heartbeats, outages. The caller acknowledges.</summary>
    /// <exception cref="ArgumentException">The subscription is not valid.</exception>
    public VerdictStream Subscribe(Subscription subscription) => new(this, subscription);

    /// <summary>
    /// Acknowledges all verdicts up to and including a sequence. Completes when that is durable. A name that the daemon does not
    /// know becomes a new consumer. An acknowledgement never decreases.
    /// </summary>
    /// <exception cref="InspectdException">The daemon does not answer in time, or refuses.</exception>
    public async Task<Consumer> AcknowledgeAsync(string consumer, ulong sequence, CancellationToken cancellation = default)
    {
        var request = new AcknowledgeVerdictsRequest { Consumer = consumer, Sequence = sequence };
        var call = Inspection.AcknowledgeVerdictsAsync(request, Options(cancellation));
        var response = await AnswerAsync(call, cancellation).ConfigureAwait(false);
        return response.Consumer;
    }

    /// <summary>
    /// Triggers an inspection. The request is repeated under its idempotency key after a lost connection, until the deadline: the
    /// part is inspected once.
    /// </summary>
    /// <exception cref="InspectdException">The daemon does not answer in time, or refuses.</exception>
    public async Task<TriggerInspectionResponse> TriggerAsync(Trigger trigger, CancellationToken cancellation = default)
    {
        var request = trigger.ToRequest();
        var end = DateTime.UtcNow + trigger.Deadline;
        for (var failures = 0; ; failures++)
        {
            try
            {
                var options = new CallOptions(deadline: end, cancellationToken: cancellation);
                var call = Inspection.TriggerInspectionAsync(request, options);
                return await AnswerAsync(call, cancellation).ConfigureAwait(false);
            }
            catch (InspectdException error) when (IsLost(error.Code) && DateTime.UtcNow + Backoff.Default.Pause(failures) < end)
            {
                await Task.Delay(Backoff.Default.Pause(failures), cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Returns the frame and the anomaly map of a recent verdict, PNG.</summary>
    /// <exception cref="InspectdException">The daemon does not answer in time, or refuses.</exception>
    public Task<GetEvidenceResponse> EvidenceAsync(ulong sequence, CancellationToken cancellation = default)
    {
        var request = new GetEvidenceRequest { Sequence = sequence };
        return AnswerAsync(Inspection.GetEvidenceAsync(request, Options(cancellation)), cancellation);
    }

    /// <summary>Returns the state of the line.</summary>
    /// <exception cref="InspectdException">The daemon does not answer in time, or refuses.</exception>
    public async Task<V1.Status> StatusAsync(CancellationToken cancellation = default)
    {
        var call = Line.GetStatusAsync(new GetStatusRequest(), Options(cancellation));
        var response = await AnswerAsync(call, cancellation).ConfigureAwait(false);
        return response.Status;
    }

    /// <summary>Closes the connection.</summary>
    public void Dispose() => channel.Dispose();

    private CallOptions Options(CancellationToken cancellation) =>
        new(deadline: DateTime.UtcNow + answerTimeout, cancellationToken: cancellation);

    private static async Task<T> AnswerAsync<T>(AsyncUnaryCall<T> call, CancellationToken cancellation)
    {
        try
        {
            return await call.ConfigureAwait(false);
        }
        catch (RpcException error)
        {
            cancellation.ThrowIfCancellationRequested();
            throw new InspectdException(error);
        }
    }

    /// <summary>Whether the connection was lost: the daemon may have the request, or not.</summary>
    private static bool IsLost(StatusCode code) =>
        code is StatusCode.Unavailable or StatusCode.Cancelled or StatusCode.Unknown or StatusCode.Internal;

    private static void WriteLoss(string text) => Console.Error.WriteLine($"inspectd: {text}");
}

using System.Runtime.CompilerServices;
using Grpc.Core;
using Inspectd.V1;

namespace Inspectd.Client;

/// <summary>
/// The events of a stream that reconnects by itself. It ends by cancellation, and with a permanent error, such
/// as an unknown camera.
/// </summary>
public sealed class VerdictStream : IAsyncDisposable
{
    private readonly InspectdClient client;
    private readonly Subscription subscription;
    private readonly Position position;
    private readonly Acknowledger? acknowledger;
    private AsyncServerStreamingCall<StreamVerdictsResponse>? call;

    /// <summary>Failures since the last message.</summary>
    private int failures;

    /// <summary>The pause before the next attempt.</summary>
    private TimeSpan? pause;
    private ulong epoch;

    /// <summary>The interval of heartbeats, as the daemon stated it last.</summary>
    private TimeSpan interval;

    /// <summary>How long the stream may be silent.</summary>
    private TimeSpan Silence => 3 * interval > subscription.Silence ? 3 * interval : subscription.Silence;

    internal VerdictStream(InspectdClient client, Subscription subscription)
    {
        subscription.Check();
        this.client = client;
        this.subscription = subscription;
        position = new Position(subscription);
        if (subscription.Consumer is { } consumer)
        {
            acknowledger = new Acknowledger(
                sequence => client.AcknowledgeAsync(consumer, sequence),
                subscription.Backoff,
                subscription.OnAcknowledgeFailure ?? WriteAcknowledgeFailure);
        }
    }

    /// <summary>
    /// Acknowledges all verdicts up to and including this sequence, in the background. After a restart of this program the
    /// stream starts with the next one. 0, the sequence of a verdict that is not in the journal, has no effect.
    /// </summary>
    /// <exception cref="InvalidOperationException">The stream is not one of a consumer.</exception>
    public void Acknowledge(ulong sequence)
    {
        if (acknowledger is null)
        {
            throw new InvalidOperationException("only a stream of a consumer can acknowledge");
        }
        acknowledger.Acknowledge(sequence);
    }

    /// <summary>Waits until all acknowledgements are durable.</summary>
    /// <exception cref="InspectdException">The next attempt failed.</exception>
    public Task FlushAsync() => acknowledger?.FlushAsync() ?? Task.CompletedTask;

    /// <summary>Ends the stream. Acknowledgements that are pending are sent once.</summary>
    public async ValueTask DisposeAsync()
    {
        call?.Dispose();
        call = null;
        if (acknowledger is not null)
        {
            await acknowledger.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Returns the events. Only one enumeration may be in progress.</summary>
    /// <exception cref="InspectdException">A permanent error.</exception>
    public async IAsyncEnumerable<StreamEvent> EventsAsync([EnumeratorCancellation] CancellationToken cancellation = default)
    {
        while (true)
        {
            foreach (var item in await NextAsync(cancellation).ConfigureAwait(false))
            {
                yield return item;
            }
        }
    }

    private async Task<IReadOnlyList<StreamEvent>> NextAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        try
        {
            return call is null
                ? await ConnectAsync(cancellation).ConfigureAwait(false)
                : Apply(await ReceiveAsync(call, cancellation).ConfigureAwait(false));
        }
        catch (InspectdException error)
        {
            call?.Dispose();
            call = null;
            return await FailAsync(error).ConfigureAwait(false);
        }
    }

    /// <summary>Opens the stream, after the pause that is due. It is open when its first message has arrived.</summary>
    private async Task<IReadOnlyList<StreamEvent>> ConnectAsync(CancellationToken cancellation)
    {
        var isAgain = pause is not null;
        await Task.Delay(pause ?? TimeSpan.Zero, cancellation).ConfigureAwait(false);
        if (position.RequiresNewest)
        {
            var status = await client.StatusAsync(cancellation).ConfigureAwait(false);
            position.BeginAfter(status.Journal is null ? null : status.Sequence);
        }
        position.Connected();
        var request = new StreamVerdictsRequest { CameraIds = { subscription.CameraIds }, Decisions = { subscription.Decisions } };
        position.WriteTo(request);
        call = client.Inspection.StreamVerdicts(request, cancellationToken: cancellation);
        var message = await ReceiveAsync(call, cancellation).ConfigureAwait(false);
        pause = null;
        var events = Apply(message);
        return isAgain ? [new ReconnectedEvent(), .. events] : events;
    }

    /// <summary>Waits for the next message, for at most the time for which the stream may be silent.</summary>
    private async Task<StreamVerdictsResponse> ReceiveAsync(
        AsyncServerStreamingCall<StreamVerdictsResponse> open, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Silence);
        try
        {
            if (await open.ResponseStream.MoveNext(limit.Token).ConfigureAwait(false))
            {
                failures = 0;
                return open.ResponseStream.Current;
            }
        }
        catch (Exception error) when (error is RpcException or OperationCanceledException)
        {
            cancellation.ThrowIfCancellationRequested();
            if (!limit.IsCancellationRequested)
            {
                throw error is RpcException failure
                    ? new InspectdException(failure)
                    : new InspectdException(StatusCode.Cancelled, error.Message);
            }
            throw new InspectdException(StatusCode.Unavailable, $"no message within {Silence.TotalSeconds} s");
        }
        throw new InspectdException(StatusCode.Unavailable, "the daemon closed the stream");
    }

    private IReadOnlyList<StreamEvent> Apply(StreamVerdictsResponse message)
    {
        switch (message.EventCase)
        {
            case StreamVerdictsResponse.EventOneofCase.Verdict:
                return position.IsNew(message.Verdict) ? [new VerdictEvent(message.Verdict, epoch)] : [];
            case StreamVerdictsResponse.EventOneofCase.Heartbeat:
                epoch = message.Heartbeat.Epoch;
                interval = message.Heartbeat.Interval?.ToTimeSpan() ?? TimeSpan.Zero;
                position.Take(message.Heartbeat);
                return [new HeartbeatEvent(message.Heartbeat)];
            case StreamVerdictsResponse.EventOneofCase.Gap:
                return [position.Take(message.Gap)];
            default:
                // An event of a later version of the daemon.
                return [];
        }
    }

    /// <summary>Schedules another attempt, or throws the error.</summary>
    private async Task<IReadOnlyList<StreamEvent>> FailAsync(InspectdException error)
    {
        if (error.KeptRange is { } kept && position.TryGoOnWithOldest(kept, out var lost))
        {
            await AcknowledgeLossAsync(kept.OldestSequence - 1).ConfigureAwait(false);
            pause = failures == 0 ? null : subscription.Backoff.Pause(failures - 1);
            failures += 1;
            return lost is null ? [] : [lost];
        }
        if (!error.IsTransient)
        {
            throw error;
        }
        pause = subscription.Backoff.Pause(failures);
        failures += 1;
        return [new DisconnectedEvent(error, pause.Value)];
    }

    /// <summary>A consumer acknowledges what was removed, so that its stream starts after it.</summary>
    private async Task AcknowledgeLossAsync(ulong sequence)
    {
        acknowledger?.Acknowledge(sequence);
        try
        {
            await FlushAsync().ConfigureAwait(false);
        }
        catch (InspectdException)
        {
            // The daemon refuses the position again, after a pause.
        }
    }

    private static void WriteAcknowledgeFailure(ulong sequence, Exception error) =>
        Console.Error.WriteLine($"inspectd: verdicts up to {sequence} are not acknowledged yet: {error.Message}");
}

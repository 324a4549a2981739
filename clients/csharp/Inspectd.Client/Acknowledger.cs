namespace Inspectd.Client;

/// <summary>
/// Sends the newest acknowledged sequence of a consumer, at most ten times a second. After a transient error, the newest
/// one is sent again; after another error, the next one.
/// </summary>
internal sealed class Acknowledger(Func<ulong, Task> send, Backoff backoff, Action<ulong, Exception> onFailure)
    : IAsyncDisposable
{
    /// <summary>The shortest time between two acknowledgements: each one is written to the daemon's disk.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly object gate = new();
    private readonly CancellationTokenSource stopping = new();

    /// <summary>The newest sequence that was requested.</summary>
    private ulong newest;

    /// <summary>The newest sequence that was sent and answered, also by a permanent error.</summary>
    private ulong answered;

    /// <summary>The error of the last attempt.</summary>
    private InspectdException? error;

    /// <summary>Ends with the next attempt.</summary>
    private TaskCompletionSource attempted = NewSource();

    /// <summary>Sends what is pending; null: nothing is.</summary>
    private Task? running;

    /// <summary>Acknowledges all verdicts up to and including this sequence. One below the newest has no effect.</summary>
    public void Acknowledge(ulong sequence)
    {
        lock (gate)
        {
            if (sequence > newest && !stopping.IsCancellationRequested)
            {
                newest = sequence;
                running ??= Task.Run(RunAsync);
            }
        }
    }

    /// <summary>Waits until the newest sequence is durable.</summary>
    /// <exception cref="InspectdException">The next attempt failed.</exception>
    public async Task FlushAsync()
    {
        while (true)
        {
            Task next;
            lock (gate)
            {
                if (running is null || answered >= newest)
                {
                    break;
                }
                next = attempted.Task;
            }
            await next.ConfigureAwait(false);
            lock (gate)
            {
                if (error is not null)
                {
                    break;
                }
            }
        }
        lock (gate)
        {
            if (error is not null)
            {
                throw error;
            }
        }
    }

    /// <summary>Sends what is pending, once, and stops.</summary>
    public async ValueTask DisposeAsync()
    {
        Task? last;
        lock (gate)
        {
            stopping.Cancel();
            last = running;
        }
        await (last ?? Task.CompletedTask).ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        var failures = 0;
        while (true)
        {
            ulong sequence;
            bool isLast;
            lock (gate)
            {
                if (answered >= newest)
                {
                    running = null;
                    return;
                }
                sequence = newest;
                isLast = stopping.IsCancellationRequested;
            }
            failures = await AttemptAsync(sequence).ConfigureAwait(false) ? 0 : failures + 1;
            lock (gate)
            {
                attempted.SetResult();
                attempted = NewSource();
                if (isLast)
                {
                    running = null;
                    return;
                }
            }
            await PauseAsync(failures == 0 ? Interval : backoff.Pause(failures - 1)).ConfigureAwait(false);
        }
    }

    /// <summary>Sends a sequence. Returns whether it was answered.</summary>
    private async Task<bool> AttemptAsync(ulong sequence)
    {
        InspectdException? failure = null;
        try
        {
            await send(sequence).ConfigureAwait(false);
        }
        catch (InspectdException exception)
        {
            failure = exception;
            if (error is null)
            {
                onFailure(sequence, exception);
            }
        }
        var isAnswered = failure is null || !failure.IsTransient;
        lock (gate)
        {
            answered = isAnswered ? sequence : answered;
            error = failure;
        }
        return isAnswered;
    }

    /// <summary>Waits for this time, or until the acknowledger stops.</summary>
    private Task PauseAsync(TimeSpan time) =>
        Task.Delay(time, stopping.Token).ContinueWith(_ => { }, TaskScheduler.Default);

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Inspectd.V1;

namespace Inspectd.Client;

/// <summary>Where a stream is: what a new connection has to request. Changed by messages only.</summary>
internal sealed class Position
{
    private readonly string? consumer;
    private readonly DateTimeOffset? fromTime;
    private ulong? fromSequence;
    private bool isLive;

    /// <summary>Everything up to this sequence was received, or did not match the filter; 0: nothing yet.</summary>
    private ulong passed;

    /// <summary>The last verdict received; 0: none.</summary>
    private ulong received;

    /// <summary>The runs of the daemon whose verdicts were received: the first sequence and the id of each.</summary>
    private readonly List<(ulong First, string RunId)> runs = [];

    /// <summary>The sequence in the last heartbeat of this connection.</summary>
    private ulong? heartbeat;

    public Position(Subscription subscription)
    {
        consumer = subscription.Consumer;
        fromTime = subscription.FromTime;
        fromSequence = subscription.FromSequence;
        isLive = subscription.Live;
    }

    /// <summary>Whether <see cref="BeginAfter"/> has to be called before a stream is requested.</summary>
    public bool RequiresNewest => consumer is null && fromTime is null && fromSequence is null && !isLive;

    /// <summary>Begins with the next verdict: after the newest of the journal, or live without a journal (null).</summary>
    public void BeginAfter(ulong? newest)
    {
        fromSequence = newest + 1;
        isLive = newest is null;
    }

    /// <summary>Writes the start of the next request.</summary>
    public void WriteTo(StreamVerdictsRequest request)
    {
        if (isLive)
        {
            return;
        }
        if (consumer is not null)
        {
            request.Consumer = consumer;
        }
        else if (passed > 0)
        {
            request.FromSequence = passed + 1;
        }
        else if (fromSequence is { } sequence)
        {
            request.FromSequence = sequence;
        }
        else if (fromTime is { } time)
        {
            request.FromTime = Timestamp.FromDateTimeOffset(time);
        }
    }

    /// <summary>A new connection is open.</summary>
    public void Connected() => heartbeat = null;

    /// <summary>Takes a verdict. Returns whether it is new: a new connection may repeat what was received before.</summary>
    /// <exception cref="InspectdException">
    /// DATA_LOSS: it has the sequence of another verdict that was received. Sequences began again.
    /// </exception>
    public bool IsNew(Verdict verdict)
    {
        if (isLive || verdict.Sequence == 0)
        {
            return true;
        }
        var isSameRun = runs.FindLast(run => run.First <= verdict.Sequence).RunId == verdict.RunId;
        if (verdict.Sequence <= received)
        {
            return isSameRun
                ? false
                : throw new InspectdException(
                    StatusCode.DataLoss,
                    $"sequences began again: verdict {verdict.Sequence} was received before, for another inspection; the "
                    + "journal of the daemon was removed, or this is another daemon");
        }
        if (!isSameRun)
        {
            runs.Add((verdict.Sequence, verdict.RunId));
        }
        received = verdict.Sequence;
        passed = Math.Max(passed, received);
        return true;
    }

    /// <summary>Takes a heartbeat.</summary>
    public void Take(Heartbeat message)
    {
        // The daemon sends another heartbeat only once it has nothing else to send: what was the newest sequence at the one
        // before has been sent, or does not match the filter. Without this, a stream that rarely matches would resume where
        // the journal has aged out.
        passed = Math.Max(passed, heartbeat ?? 0);
        heartbeat = message.Sequence;
    }

    /// <summary>Takes a gap. Returns what the user has to know.</summary>
    public StreamEvent Take(Gap gap)
    {
        if (gap.Reason != GapReason.Lost)
        {
            return new MissedEvent(gap.Missed);
        }
        // A new connection does not request them again.
        passed = Math.Max(passed, gap.LastSequence);
        return new LostEvent(gap.FirstSequence, gap.LastSequence);
    }

    /// <summary>
    /// Takes the range that the daemon keeps, after it refused the position. The next request starts with the oldest verdict
    /// that is kept.
    /// </summary>
    /// <param name="kept">The range.</param>
    /// <param name="lost">The verdicts that are lost; null if all removed verdicts were received.</param>
    /// <returns>False if the position is not before the range, so that it cannot be corrected.</returns>
    public bool TryGoOnWithOldest(KeptRange kept, out LostEvent? lost)
    {
        var known = passed > 0 ? passed + 1 : fromSequence ?? 0;
        var isBefore = known < kept.OldestSequence;
        lost = null;
        if (isLive || (consumer is null && !isBefore))
        {
            return false;
        }
        if (isBefore)
        {
            passed = kept.OldestSequence - 1;
            lost = new LostEvent(known, passed);
        }
        return true;
    }
}

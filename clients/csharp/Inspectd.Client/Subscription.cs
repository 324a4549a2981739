using Inspectd.V1;

namespace Inspectd.Client;

/// <summary>
/// Selects verdicts. At most one start may be set; without one, the stream begins with the next verdict, and resumes after the
/// last one received.
/// </summary>
public sealed record Subscription
{
    /// <summary>
    /// Start after the last verdict that this consumer acknowledged: 1 to 64 of a-z, 0-9, '-' and '_'. Its first stream starts
    /// with the oldest verdict that is kept.
    /// </summary>
    public string? Consumer { get; init; }

    /// <summary>Start with this sequence of the journal; 0 is the oldest that is kept.</summary>
    public ulong? FromSequence { get; init; }

    /// <summary>Start with the first verdict that was journalled at or after this time.</summary>
    public DateTimeOffset? FromTime { get; init; }

    /// <summary>Start with the next verdict, also after each outage.</summary>
    public bool Live { get; init; }

    /// <summary>Ids of cameras. Empty: all cameras, and images that clients sent.</summary>
    public IReadOnlyList<string> CameraIds { get; init; } = [];

    /// <summary>Decisions. Empty: all.</summary>
    public IReadOnlyList<Decision> Decisions { get; init; } = [];

    /// <summary>A stream without a message for this time counts as lost; three of the intervals that heartbeats
    /// state, if that is longer.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The pauses between attempts to reconnect.</summary>
    public Backoff Backoff { get; init; } = Backoff.Default;

    /// <summary>
    /// Called by <see cref="InspectdClient.VerdictsAsync"/> when verdicts are lost or missed. Null: a line on standard error.
    /// </summary>
    public Action<string>? OnLoss { get; init; }

    /// <summary>
    /// Called at the first failure of a series of acknowledgements, with the sequence. Null: a line on standard error.
    /// </summary>
    public Action<ulong, Exception>? OnAcknowledgeFailure { get; init; }

    /// <exception cref="ArgumentException">More than one start is set, or the name is not allowed.</exception>
    internal void Check()
    {
        bool[] starts = [Consumer is not null, FromSequence is not null, FromTime is not null, Live];
        if (starts.Count(isSet => isSet) > 1)
        {
            throw new ArgumentException("Consumer, FromSequence, FromTime and Live exclude each other");
        }
        if (Consumer is { } name && (name.Length is 0 or > 64 || !name.All(IsAllowed)))
        {
            throw new ArgumentException($"{name}: a consumer's name is 1 to 64 of a-z, 0-9, '-' and '_'");
        }
    }

    private static bool IsAllowed(char letter) => letter is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-' or '_';
}

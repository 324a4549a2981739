namespace Inspectd.Client;

/// <summary>The pause before another attempt. It doubles with each failure, up to a maximum.</summary>
/// <param name="Initial">The pause after the first failure.</param>
/// <param name="Max">The longest pause.</param>
public sealed record Backoff(TimeSpan Initial, TimeSpan Max)
{
    /// <summary>250 ms, up to 5 s.</summary>
    public static Backoff Default { get; } = new(TimeSpan.FromMilliseconds(250), TimeSpan.FromSeconds(5));

    /// <summary>Returns the pause after this number of failures, counted from 0.</summary>
    internal TimeSpan Pause(int failures) =>
        // 2^20 times the shortest pause is longer than any maximum that makes sense.
        TimeSpan.FromTicks(Math.Min(Initial.Ticks << Math.Min(failures, 20), Max.Ticks));
}

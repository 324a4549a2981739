using Inspectd.V1;

namespace Inspectd.Client;

/// <summary>An event of a stream.</summary>
public abstract record StreamEvent
{
    private protected StreamEvent()
    {
    }
}

/// <summary>A verdict.</summary>
/// <param name="Verdict">The verdict.</param>
/// <param name="Epoch">The epoch of the journal that it is from; 0: no journal.</param>
public sealed record VerdictEvent(Verdict Verdict, ulong Epoch) : StreamEvent;

/// <summary>Verdicts that this stream will not deliver.</summary>
/// <param name="First">The first sequence; 0 if it is not known.</param>
/// <param name="Last">The last sequence.</param>
public sealed record LostEvent(ulong First, ulong Last) : StreamEvent;

/// <summary>This client read too slowly: verdicts that are not in the journal were dropped.</summary>
/// <param name="Count">The number of verdicts.</param>
public sealed record MissedEvent(ulong Count) : StreamEvent;

/// <summary>A sign of life: at the start of each connection, and after an interval without other events.</summary>
/// <param name="Heartbeat">The heartbeat.</param>
public sealed record HeartbeatEvent(Heartbeat Heartbeat) : StreamEvent;

/// <summary>The stream was lost, or could not be opened. It is opened again after a pause.</summary>
/// <param name="Error">The reason.</param>
/// <param name="RetryIn">The pause.</param>
public sealed record DisconnectedEvent(InspectdException Error, TimeSpan RetryIn) : StreamEvent;

/// <summary>The stream is open again after <see cref="DisconnectedEvent"/>.</summary>
public sealed record ReconnectedEvent : StreamEvent;

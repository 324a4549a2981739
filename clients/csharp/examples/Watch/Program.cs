using Inspectd.Client;

// The daemon at INSPECTD_SERVER, or else at http://127.0.0.1:50051.
using var client = new InspectdClient(InspectdOptions.FromEnvironment());

// Reconnects and resumes by itself. A verdict is acknowledged when the loop requests the next one; after a restart of this
// program, the stream continues after the last acknowledged verdict.
await foreach (var verdict in client.VerdictsAsync(new Subscription { Consumer = "mes" }))
{
    Console.WriteLine($"{verdict.Sequence} {verdict.CameraId} {verdict.Decision} {verdict.Score?.Value:F3}");
}

// The program that `inspectctl conformance` tests; docs/conformance.md describes its lines.
//
//   inspectctl conformance -- Conformance {address}
//
// The address may have a scheme. The environment names the files of a daemon with access control, as for inspectctl.

using Inspectd.Client;
using Inspectd.V1;

if (args.Length < 2)
{
    Console.Error.WriteLine("usage: Conformance ADDRESS TASK...");
    return 64;
}
using var client = new InspectdClient(InspectdOptions.FromEnvironment() with { Address = args[0] });
try
{
    switch (args[1..])
    {
        case ["consume", var consumer, var silence]:
            await FollowAsync(new Subscription { Consumer = consumer }, silence);
            break;
        case ["follow", var sequence, var silence]:
            await FollowAsync(new Subscription { FromSequence = ulong.Parse(sequence) }, silence);
            break;
        case ["live", var silence]:
            await FollowAsync(new Subscription { Live = true }, silence);
            break;
        case ["trigger", var camera, var part, var deadline]:
            await TriggerAsync(new Trigger { CameraId = camera, PartId = part, Deadline = Milliseconds(deadline) });
            break;
        default:
            Console.Error.WriteLine("unknown task");
            return 64;
    }
}
catch (InspectdException error)
{
    Console.Error.WriteLine(error.Message);
    Console.WriteLine($"failed {error.CodeName}");
}
return 0;

async Task FollowAsync(Subscription subscription, string silence)
{
    await using var stream = client.Subscribe(subscription with { Silence = Milliseconds(silence) });
    await foreach (var item in stream.EventsAsync())
    {
        switch (item)
        {
            case VerdictEvent { Verdict: var verdict } received:
                Console.WriteLine($"verdict {received.Epoch} {verdict.Sequence} {NameOf(verdict.Decision)}");
                if (await Console.In.ReadLineAsync() is null)
                {
                    return;
                }
                if (subscription.Consumer is not null)
                {
                    stream.Acknowledge(verdict.Sequence);
                }
                break;
            case LostEvent lost:
                Console.WriteLine($"loss {lost.First} {lost.Last}");
                break;
            case MissedEvent missed:
                Console.WriteLine($"missed {missed.Count}");
                break;
            case DisconnectedEvent disconnected:
                Console.Error.WriteLine(disconnected.Error.Message);
                break;
        }
    }
}

async Task TriggerAsync(Trigger trigger)
{
    var answer = await client.TriggerAsync(trigger);
    Console.WriteLine($"triggered {answer.Verdict.Sequence} {NameOf(answer.Verdict.Decision)}");
}

static string NameOf(Decision decision) => decision switch
{
    Decision.Pass => "PASS",
    Decision.Reject => "REJECT",
    Decision.Review => "REVIEW",
    Decision.Fault => "FAULT",
    _ => "UNKNOWN",
};

static TimeSpan Milliseconds(string text) => TimeSpan.FromMilliseconds(double.Parse(text));

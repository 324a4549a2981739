// Requests the inspection of one part and prints its verdict: Trigger CAMERA PART KEY

using Inspectd.Client;

if (args is not [var camera, var part, var key])
{
    Console.Error.WriteLine("usage: Trigger CAMERA PART KEY");
    return 64;
}
using var client = new InspectdClient(InspectdOptions.FromEnvironment());
try
{
    var answer = await client.TriggerAsync(new Trigger { CameraId = camera, PartId = part, IdempotencyKey = key });
    Console.WriteLine($"{answer.TriggerId} {answer.Repeated} {answer.Verdict?.Sequence} {answer.Verdict?.Decision}");
    return 0;
}
catch (InspectdException error)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}

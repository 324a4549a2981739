using Google.Protobuf;
using Inspectd.V1;

namespace Inspectd.Client;

/// <summary>A request to inspect the next frame of a camera, or of all cameras of a group, in mode `requested`.</summary>
public sealed record Trigger
{
    /// <summary>The id of the camera. Either it or <see cref="GroupId"/> must be set.</summary>
    public string? CameraId { get; init; }

    /// <summary>The id of the group.</summary>
    public string? GroupId { get; init; }

    /// <summary>The id of the part, copied to the verdict; at most 128 bytes.</summary>
    public string PartId { get; init; } = "";

    /// <summary>Data of the client, copied to the verdict; at most 4096 bytes.</summary>
    public ReadOnlyMemory<byte> ClientData { get; init; }

    /// <summary>
    /// Identifies the request: a request with the key of an earlier one is the same request, also after a restart of this program
    /// or of the daemon. At most 128 bytes. Null: a random UUID, which covers repetitions within this call only.
    /// </summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>A prepared recipe that judges the frames of this request. Empty: the active recipe.</summary>
    public string RecipeId { get; init; } = "";

    /// <summary>SHA-256 of that recipe. Empty: the content that was prepared last.</summary>
    public string RecipeSha256 { get; init; } = "";

    /// <summary>Whether to wait for the verdict.</summary>
    public bool Wait { get; init; } = true;

    /// <summary>The time for the whole call with its repetitions.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(10);

    internal TriggerInspectionRequest ToRequest()
    {
        var request = new TriggerInspectionRequest
        {
            PartId = PartId,
            ClientData = ByteString.CopyFrom(ClientData.Span),
            IdempotencyKey = IdempotencyKey ?? Guid.NewGuid().ToString(),
            RecipeId = RecipeId,
            RecipeSha256 = RecipeSha256,
            Wait = Wait,
        };
        if (CameraId is not null)
        {
            request.CameraId = CameraId;
        }
        if (GroupId is not null)
        {
            request.GroupId = GroupId;
        }
        return request;
    }
}

using Google.Protobuf;
using Grpc.Core;
using Inspectd.Client.Rpc;

namespace Inspectd.Client;

/// <summary>The range of sequences that the daemon still keeps.</summary>
/// <param name="OldestSequence">The oldest sequence.</param>
/// <param name="NewestSequence">The newest sequence.</param>
public sealed record KeptRange(ulong OldestSequence, ulong NewestSequence);

/// <summary>A call or a stream that failed.</summary>
public sealed class InspectdException : Exception
{
    private const string Details = "grpc-status-details-bin";
    private const string ErrorInfoType = "type.googleapis.com/google.rpc.ErrorInfo";

    internal InspectdException(StatusCode code, string message)
        : base($"{NameOf(code)}: {message}")
    {
        Code = code;
    }

    internal InspectdException(RpcException error)
        : base($"{NameOf(error.StatusCode)}: {Describe(error.Status)}", error)
    {
        Code = error.StatusCode;
        if (ReadErrorInfo(error.Trailers) is { } info)
        {
            Reason = info.Reason;
            Metadata = info.Metadata.ToDictionary(entry => entry.Key, entry => entry.Value);
        }
    }

    /// <summary>The gRPC status.</summary>
    public StatusCode Code { get; }

    /// <summary>The name of the gRPC status, such as `NOT_FOUND`.</summary>
    public string CodeName => NameOf(Code);

    /// <summary>The reason for programs, such as `NOT_KEPT`. Null: the daemon did not state one.</summary>
    public string? Reason { get; }

    /// <summary>Further facts of the reason.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    /// <summary>Whether the same request may succeed later without a change to the client or the daemon.</summary>
    public bool IsTransient => Code is StatusCode.Unavailable or StatusCode.ResourceExhausted
        or StatusCode.Cancelled or StatusCode.DeadlineExceeded
        // From a broken connection.
        or StatusCode.Unknown or StatusCode.Internal;

    /// <summary>The range that is kept, if the error says that a verdict is outside it.</summary>
    public KeptRange? KeptRange
    {
        get
        {
            var isNotKept = Code == StatusCode.OutOfRange && Reason == "NOT_KEPT";
            return isNotKept
                && ulong.TryParse(Metadata.GetValueOrDefault("oldest_sequence"), out var oldest)
                && ulong.TryParse(Metadata.GetValueOrDefault("newest_sequence"), out var newest)
                ? new KeptRange(oldest, newest)
                : null;
        }
    }

    private static ErrorInfo? ReadErrorInfo(Metadata trailers)
    {
        if (trailers.GetValueBytes(Details) is not { } bytes)
        {
            return null;
        }
        try
        {
            var detail = RpcStatus.Parser.ParseFrom(bytes).Details.FirstOrDefault(any => any.TypeUrl == ErrorInfoType);
            return detail is null ? null : ErrorInfo.Parser.ParseFrom(detail.Value);
        }
        catch (InvalidProtocolBufferException)
        {
            // Details that cannot be read do not hide the error itself.
            return null;
        }
    }

    /// <summary>The detail, with the reason if the status was made from a connection error.</summary>
    private static string Describe(Status status)
    {
        var cause = status.DebugException?.GetBaseException().Message ?? "";
        return status.Detail.Contains(cause, StringComparison.Ordinal) ? status.Detail : $"{status.Detail} {cause}";
    }

    /// <summary>`NotFound` is `NOT_FOUND` in the notation of gRPC.</summary>
    private static string NameOf(StatusCode code)
    {
        var letters = code.ToString().SelectMany((letter, index) =>
            index > 0 && char.IsUpper(letter) ? $"_{letter}" : char.ToUpperInvariant(letter).ToString());
        return code == StatusCode.OK ? "OK" : string.Concat(letters);
    }
}

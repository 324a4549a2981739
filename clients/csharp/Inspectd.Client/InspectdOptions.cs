namespace Inspectd.Client;

/// <summary>Options of an <see cref="InspectdClient"/>.</summary>
public sealed record InspectdOptions
{
    /// <summary>`http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`. No scheme: `http://`.</summary>
    public string Address { get; init; } = "http://127.0.0.1:50051";

    /// <summary>The file with the CA of the daemon's certificate, PEM. Required for `https://`.</summary>
    public string? CaFile { get; init; }

    /// <summary>The file with the certificate of this client, PEM.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>The file with the private key of this client, PEM.</summary>
    public string? KeyFile { get; init; }

    /// <summary>The file with the token.</summary>
    public string? TokenFile { get; init; }

    /// <summary>How long the daemon may take to answer a call.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Reads the environment variables of inspectctl: INSPECTD_SERVER, INSPECTD_CA, INSPECTD_CERTIFICATE, INSPECTD_KEY and
    /// INSPECTD_TOKEN_FILE.
    /// </summary>
    public static InspectdOptions FromEnvironment()
    {
        var options = new InspectdOptions
        {
            CaFile = Environment.GetEnvironmentVariable("INSPECTD_CA"),
            CertificateFile = Environment.GetEnvironmentVariable("INSPECTD_CERTIFICATE"),
            KeyFile = Environment.GetEnvironmentVariable("INSPECTD_KEY"),
            TokenFile = Environment.GetEnvironmentVariable("INSPECTD_TOKEN_FILE"),
        };
        var address = Environment.GetEnvironmentVariable("INSPECTD_SERVER");
        return address is null ? options : options with { Address = address };
    }
}

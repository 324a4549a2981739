using System.Net;

namespace Inspectd.Client;

/// <summary>The address of a daemon: TCP, TLS or a Unix socket.</summary>
/// <param name="Text">The address as it is shown in errors.</param>
/// <param name="Uri">The address of the gRPC channel.</param>
/// <param name="SocketPath">The path of the Unix socket; null: TCP.</param>
internal sealed record Address(string Text, Uri Uri, string? SocketPath)
{
    public bool IsTls => Uri.Scheme == Uri.UriSchemeHttps;

    /// <summary>Whether no other machine can read what is sent: TLS, a Unix socket or the loopback interface.</summary>
    public bool IsConfidential => IsTls || SocketPath is not null || Uri.Host == "localhost"
        || (IPAddress.TryParse(Uri.Host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));

    /// <summary>Reads `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`. No scheme: `http://`.</summary>
    /// <exception cref="ArgumentException">The text is not an address.</exception>
    public static Address Parse(string text)
    {
        if (text.StartsWith("unix:", StringComparison.Ordinal))
        {
            var path = text.StartsWith("unix:///", StringComparison.Ordinal) ? text["unix://".Length..] : text["unix:".Length..];
            if (path.Length < 2 || path[0] != '/' || path[1] == '/')
            {
                throw Fail(text);
            }
            return new Address("unix:" + path, new Uri("http://localhost"), path);
        }
        var complete = text.Contains("://", StringComparison.Ordinal) ? text : "http://" + text;
        var isUri = Uri.TryCreate(complete, UriKind.Absolute, out var uri);
        if (!isUri || uri is null || uri.Scheme is not ("http" or "https") || uri.Host.Length == 0 || uri.UserInfo.Length > 0
            || uri.PathAndQuery != "/" || uri.Port is < 1 or > 65535 || !HasPort(complete))
        {
            throw Fail(text);
        }
        return new Address(complete.TrimEnd('/'), uri, null);
    }

    /// <summary>Whether the text states the port: `Uri` has the usual one of the scheme otherwise.</summary>
    private static bool HasPort(string address)
    {
        var end = address.TrimEnd('/');
        var colon = end.LastIndexOf(':');
        return colon < end.Length - 1 && end[(colon + 1)..].All(char.IsAsciiDigit);
    }

    private static ArgumentException Fail(string text) =>
        new($"{text}: must be http://HOST:PORT, https://HOST:PORT or unix:/PATH");
}

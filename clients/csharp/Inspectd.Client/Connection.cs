using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;

namespace Inspectd.Client;

/// <summary>The channel, with the credentials and the token.</summary>
internal static class Connection
{
    /// <summary>A silent connection is probed, so that a machine without power is detected.</summary>
    private static readonly TimeSpan KeepaliveInterval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan KeepaliveTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Two uncompressed images of the largest camera fit.</summary>
    private const int MessageLimitBytes = 512 << 20;

    /// <summary>Returns the channel, which connects with the first call.</summary>
    /// <exception cref="ArgumentException">The address or the credentials cannot be used.</exception>
    public static GrpcChannel Open(Address address, InspectdOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            KeepAlivePingDelay = KeepaliveInterval,
            KeepAlivePingTimeout = KeepaliveTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            ConnectTimeout = ConnectTimeout,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            EnableMultipleHttp2Connections = true,
            // The daemon is on the same network.
            UseProxy = false,
        };
        if (address.IsTls)
        {
            handler.SslOptions = TlsOptions(options);
        }
        else if (options.CaFile is not null || options.CertificateFile is not null)
        {
            throw new ArgumentException($"{address.Text}: certificates require https://");
        }
        if (address.SocketPath is { } path)
        {
            handler.ConnectCallback = (_, cancellation) => ConnectAsync(path, cancellation);
        }
        return GrpcChannel.ForAddress(address.Uri, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = MessageLimitBytes,
        });
    }

    /// <summary>Returns what makes calls on the channel, with the token if one is configured.</summary>
    /// <exception cref="ArgumentException">The token cannot be used.</exception>
    public static CallInvoker Authorize(GrpcChannel channel, Address address, InspectdOptions options)
    {
        var invoker = channel.CreateCallInvoker();
        if (options.TokenFile is not { } file)
        {
            return invoker;
        }
        if (!address.IsConfidential)
        {
            throw new ArgumentException($"{address.Text}: a token is not sent over a network without TLS; use https://");
        }
        var token = File.ReadAllText(file).Trim();
        if (token.Length == 0 || !token.All(letter => letter is > ' ' and <= '~'))
        {
            throw new ArgumentException($"{file}: must hold a token and nothing else");
        }
        return invoker.Intercept(metadata =>
        {
            metadata.Add("authorization", "Bearer " + token);
            return metadata;
        });
    }

    private static SslClientAuthenticationOptions TlsOptions(InspectdOptions options)
    {
        if (options.CaFile is not { } file)
        {
            throw new ArgumentException("https:// requires the CA of the daemon's certificate");
        }
        if (options.CertificateFile is null != options.KeyFile is null)
        {
            throw new ArgumentException("CertificateFile and KeyFile belong together");
        }
        // Only this CA is trusted. Revocation lists are not used: a certificate of a plant has none.
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        policy.CustomTrustStore.ImportFromPemFile(file);
        if (policy.CustomTrustStore.Count == 0)
        {
            throw new ArgumentException($"{file}: must hold certificates, PEM");
        }
        var tls = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        if (options.CertificateFile is { } certificate)
        {
            using var pair = X509Certificate2.CreateFromPemFile(certificate, options.KeyFile);
            // TLS on Windows requires a key that was imported.
            var imported = new X509Certificate2(pair.Export(X509ContentType.Pkcs12));
            tls.ClientCertificates = [imported];
        }
        return tls;
    }

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}

/** The address of a daemon. */
export interface Address {
  /** The address as it is shown in errors. */
  text: string;
  /** The target of the gRPC channel. */
  target: string;
  scheme: 'http' | 'https' | 'unix';
  /** The host, without brackets; empty for a Unix socket. */
  host: string;
  /** Whether no other machine can read what is sent: TLS, a Unix socket or the loopback interface. */
  confidential: boolean;
}

const FORMS = 'must be http://HOST:PORT, https://HOST:PORT or unix:/PATH';

/**
 * Reads `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`. An address without a scheme is read as `http://`.
 *
 * @throws TypeError if the text is not an address.
 */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
    if (!/^\/[^/]/.test(path)) {
      throw new TypeError(`${text}: ${FORMS}`);
    }
    return { text: `unix:${path}`, target: `unix:${path}`, scheme: 'unix', host: '', confidential: true };
  }
  const [, scheme = 'http', host, port] = /^(?:(https?):\/\/)?(\[[0-9a-fA-F:.]+\]|[^\s/:@[\]]+):(\d{1,5})\/?$/.exec(text) ?? [];
  if (host === undefined || port === undefined || Number(port) < 1 || Number(port) > 65535) {
    throw new TypeError(`${text}: ${FORMS}`);
  }
  const loopback = host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
  return {
    text: `${scheme}://${host}:${port}`,
    target: `${host}:${port}`,
    scheme: scheme as 'http' | 'https',
    host: host.replace(/^\[|\]$/g, ''),
    confidential: scheme === 'https' || loopback,
  };
}

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';

import { ChannelCredentials, credentials, type ChannelOptions, type VerifyOptions } from '@grpc/grpc-js';

import type { Address } from './address.js';

/** Certificates and a token; a daemon without access control needs none. */
export interface CredentialOptions {
  /** The file with the CA of the daemon's certificate, PEM. Required for `https://`. */
  caFile?: string | undefined;
  /** The file with the certificate of this client, PEM. */
  certificateFile?: string | undefined;
  /** The file with the private key of this client, PEM. */
  keyFile?: string | undefined;
  /** The file with the token. */
  tokenFile?: string | undefined;
  /** The token. */
  token?: string | undefined;
}

/** Returns the token, or undefined if none is set. */
function token(options: CredentialOptions): string | undefined {
  const text = options.token ?? (options.tokenFile === undefined ? undefined : readFileSync(options.tokenFile, 'utf8'));
  const name = options.token === undefined ? options.tokenFile : 'token';
  const trimmed = text?.trim();
  if (trimmed !== undefined && !/^[!-~]+$/.test(trimmed)) {
    throw new TypeError(`${name}: must hold a token and nothing else`);
  }
  return trimmed;
}

function certificates(path: string): Buffer {
  const content = readFileSync(path);
  if (!content.includes('-----BEGIN CERTIFICATE-----')) {
    throw new TypeError(`${path}: must hold certificates, PEM`);
  }
  return content;
}

/**
 * grpc-js sends the host as the name of the server (SNI), which must not be an IP address (RFC 6066). For an address, another
 * name is sent, and the certificate is checked against the address.
 */
function verification(host: string): { verify: VerifyOptions; options: ChannelOptions } {
  if (isIP(host) === 0) {
    return { verify: {}, options: {} };
  }
  return {
    verify: { checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate) },
    options: { 'grpc.ssl_target_name_override': 'inspectd' },
  };
}

/**
 * Returns the credentials and options of the channel, and the token of each call.
 *
 * @throws TypeError if they cannot be used with the address, an error of the file system if a file cannot be read.
 */
export function readCredentials(
  address: Address,
  options: CredentialOptions,
): { channel: ChannelCredentials; channelOptions: ChannelOptions; token: string | undefined } {
  const bearer = token(options);
  if (bearer !== undefined && !address.confidential) {
    throw new TypeError(`${address.text}: a token is not sent over a network without TLS; use https://`);
  }
  const { caFile, certificateFile, keyFile } = options;
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    throw new TypeError('certificateFile and keyFile belong together');
  }
  if (address.scheme !== 'https') {
    if (caFile !== undefined || certificateFile !== undefined) {
      throw new TypeError(`${address.text}: certificates require https://`);
    }
    return { channel: credentials.createInsecure(), channelOptions: {}, token: bearer };
  }
  if (caFile === undefined) {
    throw new TypeError("https:// requires the CA of the daemon's certificate");
  }
  const key = keyFile === undefined ? null : readFileSync(keyFile);
  const certificate = certificateFile === undefined ? null : certificates(certificateFile);
  const { verify, options: channelOptions } = verification(address.host);
  const channel = credentials.createSsl(certificates(caFile), key, certificate, verify);
  return { channel, channelOptions, token: bearer };
}

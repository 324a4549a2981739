import { status, type ServiceError } from '@grpc/grpc-js';

import { decodeErrorInfo, decodeStatus, type ErrorInfo } from './services.js';

const DETAILS = 'grpc-status-details-bin';
const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';

/** Statuses after which the same request may succeed. UNKNOWN and INTERNAL come from broken connections. */
const TRANSIENT: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.RESOURCE_EXHAUSTED,
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.UNKNOWN,
  status.INTERNAL,
]);

/** The range of sequences that the daemon still keeps. */
export interface KeptRange {
  oldestSequence: number;
  newestSequence: number;
}

/** A call or a stream that failed. */
export class InspectdError extends Error {
  /** The gRPC status. */
  readonly code: status;
  /** The reason for programs, such as `NOT_KEPT`. Undefined: the daemon did not state one. */
  readonly reason: string | undefined;
  /** Further facts of the reason. */
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: status, message: string, info?: ErrorInfo) {
    super(`${status[code]}: ${message}`);
    this.name = 'InspectdError';
    this.code = code;
    this.reason = info?.reason;
    this.metadata = info?.metadata ?? {};
  }

  /** The name of the gRPC status, such as `NOT_FOUND`. */
  get codeName(): string {
    return status[this.code] ?? String(this.code);
  }

  /** Whether the same request may succeed later without a change to the client or the daemon. */
  get transient(): boolean {
    return TRANSIENT.has(this.code);
  }

  /** The range that is kept, if the error says that a verdict is outside it. */
  get keptRange(): KeptRange | undefined {
    const { oldest_sequence: oldest, newest_sequence: newest } = this.metadata;
    if (this.code !== status.OUT_OF_RANGE || this.reason !== 'NOT_KEPT' || oldest === undefined || newest === undefined) {
      return undefined;
    }
    return { oldestSequence: Number(oldest), newestSequence: Number(newest) };
  }
}

/** Converts an error of grpc-js. Other errors, which are faults of a program, are returned as they are. */
export function convertError(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('metadata' in error)) {
    return error;
  }
  const failed = error as ServiceError;
  // grpc-js adds an empty note to the errors of connections.
  const details = failed.details.replace(/ Resolution note: $/, '');
  return new InspectdError(failed.code, details, errorInfo(failed));
}

function errorInfo(error: ServiceError): ErrorInfo | undefined {
  const [bytes] = error.metadata.get(DETAILS);
  if (!(bytes instanceof Buffer)) {
    return undefined;
  }
  try {
    const detail = decodeStatus(bytes).details.find(({ typeUrl }) => typeUrl === ERROR_INFO);
    return detail && decodeErrorInfo(detail.value);
  } catch {
    // Details that cannot be read do not hide the error itself.
    return undefined;
  }
}

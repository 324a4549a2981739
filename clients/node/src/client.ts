import {
  InterceptingCall,
  Metadata,
  status,
  type CallOptions,
  type ChannelOptions,
  type Interceptor,
  type requestCallback,
} from '@grpc/grpc-js';

import { parseAddress, type Address } from './address.js';
import { DEFAULT_BACKOFF } from './backoff.js';
import { readCredentials, type CredentialOptions } from './credentials.js';
import { convertError, InspectdError } from './errors.js';
import type { AcknowledgeVerdictsResponse } from './generated/inspectd/v1/AcknowledgeVerdictsResponse.js';
import type { Consumer } from './generated/inspectd/v1/Consumer.js';
import type { GetEvidenceRequestInput } from './generated/inspectd/v1/GetEvidenceRequest.js';
import type { GetEvidenceResponse } from './generated/inspectd/v1/GetEvidenceResponse.js';
import type { GetStatusResponse } from './generated/inspectd/v1/GetStatusResponse.js';
import type { InspectionServiceClient } from './generated/inspectd/v1/InspectionService.js';
import type { LineServiceClient } from './generated/inspectd/v1/LineService.js';
import type { ModelServiceClient } from './generated/inspectd/v1/ModelService.js';
import type { RecipeServiceClient } from './generated/inspectd/v1/RecipeService.js';
import type { ReportServiceClient } from './generated/inspectd/v1/ReportService.js';
import type { Status } from './generated/inspectd/v1/Status.js';
import type { TriggerInspectionResponse } from './generated/inspectd/v1/TriggerInspectionResponse.js';
import type { TuningServiceClient } from './generated/inspectd/v1/TuningService.js';
import type { Verdict } from './generated/inspectd/v1/Verdict.js';
import { MessageReader } from './message-reader.js';
import { services } from './services.js';
import { VerdictStream, type StreamCalls, type StreamOptions } from './stream.js';
import { repeatUntil, triggerRequest, type Trigger } from './trigger.js';

/** Options of a {@link Client}. */
export interface ClientOptions extends CredentialOptions {
  /** `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`. `http://127.0.0.1:50051` if unset. */
  address?: string | undefined;
  /** How long the daemon may take to answer a call, milliseconds. 10 s if unset. */
  answerTimeoutMs?: number | undefined;
}

/** Options of {@link Client.verdicts}. */
export interface VerdictsOptions extends StreamOptions {
  /** Called when verdicts are lost or missed. Warns on standard error if unset. */
  onLoss?: (text: string) => void;
}

const DEFAULT_ADDRESS = 'http://127.0.0.1:50051';
const DEFAULT_ANSWER_TIMEOUT_MS = 10_000;

const CHANNEL_OPTIONS: ChannelOptions = {
  // A silent connection is probed, so that a machine without power is detected.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
  // The pauses between attempts are those of the stream; the channel does not add to them.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.enable_retries': 0,
  // The daemon is on the same network.
  'grpc.enable_http_proxy': 0,
  // Two uncompressed images of the largest camera fit.
  'grpc.max_receive_message_length': 512 * 1024 * 1024,
};

/** Sends the token with each call. */
function bearer(token: string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set('authorization', `Bearer ${token}`);
        next(metadata, listener);
      },
    });
}

/** Begins a unary call of a generated client. */
type BeginCall<Response> = (metadata: Metadata, options: CallOptions, callback: requestCallback<Response>) => unknown;

function warnOfLoss(text: string): void {
  process.emitWarning(text, 'InspectdWarning');
}

/**
 * A client of one daemon. It connects with the first call, and again with the next call after the connection broke.
 */
export class Client {
  /** The generated client of the inspection service. */
  readonly inspection: InspectionServiceClient;
  /** The generated client of the line service. */
  readonly line: LineServiceClient;
  /** The generated client of the model service. */
  readonly models: ModelServiceClient;
  /** The generated client of the recipe service. */
  readonly recipes: RecipeServiceClient;
  /** The generated client of the report service. */
  readonly reports: ReportServiceClient;
  /** The generated client of the tuning service. */
  readonly tuning: TuningServiceClient;

  readonly #address: Address;
  readonly #answerTimeoutMs: number;
  readonly #streams = new Set<VerdictStream>();

  /** @throws TypeError if the address or the credentials cannot be used. */
  constructor(options: ClientOptions = {}) {
    this.#address = parseAddress(options.address ?? DEFAULT_ADDRESS);
    this.#answerTimeoutMs = options.answerTimeoutMs ?? DEFAULT_ANSWER_TIMEOUT_MS;
    const { channel, channelOptions, token } = readCredentials(this.#address, options);
    const { target } = this.#address;
    const interceptors = token === undefined ? [] : [bearer(token)];
    this.inspection = new services.InspectionService(target, channel, {
      ...CHANNEL_OPTIONS,
      ...channelOptions,
      interceptors,
    });
    const shared = { channelOverride: this.inspection.getChannel(), interceptors };
    this.line = new services.LineService(target, channel, shared);
    this.models = new services.ModelService(target, channel, shared);
    this.recipes = new services.RecipeService(target, channel, shared);
    this.reports = new services.ReportService(target, channel, shared);
    this.tuning = new services.TuningService(target, channel, shared);
  }

  /**
   * Creates a client from the environment variables of `inspectctl`: `INSPECTD_SERVER`, `INSPECTD_CA`,
   * `INSPECTD_CERTIFICATE`, `INSPECTD_KEY` and `INSPECTD_TOKEN_FILE`. `options` take precedence.
   *
   * @throws TypeError if the address or the credentials cannot be used.
   */
  static fromEnvironment(options: ClientOptions = {}): Client {
    const { env } = process;
    return new Client({
      address: env['INSPECTD_SERVER'],
      caFile: env['INSPECTD_CA'],
      certificateFile: env['INSPECTD_CERTIFICATE'],
      keyFile: env['INSPECTD_KEY'],
      tokenFile: env['INSPECTD_TOKEN_FILE'],
      ...options,
    });
  }

  /** The address of the daemon. */
  get address(): string {
    return this.#address.text;
  }

  /**
   * Streams verdicts. The stream reconnects and resumes by itself. With a consumer, a verdict is acknowledged when the next
   * one is requested: the body of the loop has processed it then. A verdict at which the loop is left is not acknowledged.
   *
   * @throws InspectdError for a permanent error, such as an unknown camera.
   */
  async *verdicts(options: VerdictsOptions = {}): AsyncGenerator<Verdict, void, undefined> {
    const onLoss = options.onLoss ?? warnOfLoss;
    const stream = this.stream(options);
    for await (const event of stream) {
      if (event.type === 'verdict') {
        yield event.verdict;
        if (options.consumer !== undefined) {
          stream.acknowledge(event.verdict.sequence);
        }
      } else if (event.type === 'lost') {
        onLoss(`verdicts ${event.first === 0 ? 'up' : event.first} to ${event.last} are lost`);
      } else if (event.type === 'missed') {
        onLoss(`${event.count} verdicts were missed: this client reads too slowly`);
      }
    }
  }

  /** Streams all events: verdicts, losses, heartbeats, outages. The caller acknowledges. */
  stream(options: StreamOptions = {}): VerdictStream {
    const stream: VerdictStream = new VerdictStream(this.#calls(() => this.#streams.delete(stream)), options);
    this.#streams.add(stream);
    return stream;
  }

  /**
   * Acknowledges all verdicts up to and including `sequence`. Resolves when that is durable. A name that the daemon does
   * not know becomes a new consumer. An acknowledgement never decreases.
   */
  async acknowledge(consumer: string, sequence: number): Promise<Consumer> {
    const { consumer: state } = await this.call<AcknowledgeVerdictsResponse>((...call) =>
      this.inspection.AcknowledgeVerdicts({ consumer, sequence }, ...call),
    );
    return state as Consumer;
  }

  /**
   * Triggers an inspection. The request is repeated under its idempotency key after a lost connection, until the deadline:
   * the part is inspected once.
   */
  async trigger(trigger: Trigger): Promise<TriggerInspectionResponse> {
    const request = triggerRequest(trigger);
    const end = Date.now() + (trigger.deadlineMs ?? this.#answerTimeoutMs);
    return repeatUntil(end, DEFAULT_BACKOFF, () =>
      this.call<TriggerInspectionResponse>(
        (...call) => this.inspection.TriggerInspection(request, ...call),
        end - Date.now(),
      ),
    );
  }

  /** Returns the frame and the anomaly map of a recent verdict. */
  async evidence(request: GetEvidenceRequestInput): Promise<GetEvidenceResponse> {
    return this.call<GetEvidenceResponse>((...call) => this.inspection.GetEvidence(request, ...call));
  }

  /** Returns the state of the line. */
  async status(): Promise<Status> {
    const response = await this.call<GetStatusResponse>((...call) => this.line.GetStatus({}, ...call));
    return response.status as Status;
  }

  /**
   * Makes a unary call of a generated client:
   * `client.call((...call) => client.line.ListCameras({}, ...call))`.
   *
   * @throws InspectdError if the daemon does not answer in time, or refuses.
   */
  call<Response>(begin: BeginCall<Response>, timeoutMs = this.#answerTimeoutMs): Promise<Response> {
    return new Promise((resolve, reject) => {
      begin(new Metadata(), { deadline: Date.now() + timeoutMs }, (error, response) => {
        if (error !== null || response === undefined) {
          reject(error === null ? new InspectdError(status.INTERNAL, 'an empty answer') : convertError(error));
        } else {
          resolve(response);
        }
      });
    });
  }

  /** Ends all streams, with their acknowledgements, and closes the connection. */
  async close(): Promise<void> {
    await Promise.all([...this.#streams].map((stream) => stream.close()));
    this.inspection.close();
  }

  #calls(closed: () => void): StreamCalls {
    return {
      closed,
      open: (request) => new MessageReader(this.inspection.StreamVerdicts(request)),
      acknowledge: (consumer) => async (sequence) => {
        await this.acknowledge(consumer, sequence);
      },
      newestSequence: async () => {
        const { journal, sequence } = await this.status();
        return journal == null ? undefined : sequence;
      },
    };
  }
}

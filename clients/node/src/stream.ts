import { Acknowledger, type AcknowledgeFailure, type SendAcknowledgement } from './acknowledger.js';
import { DEFAULT_BACKOFF, pauseMs, type Backoff } from './backoff.js';
import { InspectdError, type KeptRange } from './errors.js';
import type { Decision } from './generated/inspectd/v1/Decision.js';
import type { Heartbeat } from './generated/inspectd/v1/Heartbeat.js';
import type { StreamVerdictsRequestInput } from './generated/inspectd/v1/StreamVerdictsRequest.js';
import type { StreamVerdictsResponse } from './generated/inspectd/v1/StreamVerdictsResponse.js';
import type { Verdict } from './generated/inspectd/v1/Verdict.js';
import { MessageReader } from './message-reader.js';
import { Position, type Start } from './position.js';
import { sleep } from './sleep.js';

/** An event of a stream. */
export type StreamEvent =
  /** A verdict, and the epoch of the journal that it is from; 0: no journal. */
  | { type: 'verdict'; verdict: Verdict; epoch: number }
  /** Verdicts that this stream will not deliver, both sequences included; `first` is 0 if it is not known. */
  | { type: 'lost'; first: number; last: number }
  /** This client read too slowly: verdicts that are not in the journal were dropped. */
  | { type: 'missed'; count: number }
  /** A sign of life: at the start of each connection, and after an interval without other events. */
  | { type: 'heartbeat'; heartbeat: Heartbeat }
  /** The stream was lost, or could not be opened. It is opened again after a pause. */
  | { type: 'disconnected'; error: InspectdError; retryInMs: number }
  /** The stream is open again after `disconnected`. */
  | { type: 'reconnected' };

/** Selects verdicts. Without a start, the stream begins with the next verdict, and resumes after the last one received. */
export interface StreamOptions {
  /**
   * Start after the last verdict that this consumer acknowledged: 1 to 64 of `a` to `z`, `0` to `9`, `-` and `_`. Its
   * first stream starts with the oldest verdict that is kept.
   */
  consumer?: string;
  /** Start with this sequence of the journal; 0 is the oldest that is kept. */
  fromSequence?: number;
  /** Start with the first verdict that was journalled at or after this time. */
  fromTime?: Date;
  /** Start with the next verdict, also after each outage. */
  live?: boolean;
  /** Ids of cameras. Empty: all cameras, and images that clients sent. */
  cameraIds?: string[];
  /** Decisions. Empty: all. */
  decisions?: Decision[];
  /**
   * A stream without a message for this time counts as lost, milliseconds. 20 s if unset. Three of the intervals that
   * heartbeats state, if that is longer.
   */
  silenceMs?: number;
  /** The pauses between attempts to reconnect. */
  backoff?: Backoff;
  /** Ends the stream when it is aborted. */
  signal?: AbortSignal;
  /** Called at the first failure of a series of acknowledgements. Warns on standard error if unset. */
  onAcknowledgeFailure?: AcknowledgeFailure;
}

/** The time for which a stream may be silent, milliseconds. */
export const DEFAULT_SILENCE_MS = 20_000;

/** What a stream needs of a client. */
export interface StreamCalls {
  /** Opens a stream. */
  open(request: StreamVerdictsRequestInput): MessageReader;
  /** Acknowledges for a consumer. */
  acknowledge(consumer: string): SendAcknowledgement;
  /** Returns the newest sequence of the journal, or undefined without a journal. */
  newestSequence(): Promise<number | undefined>;
  /** The stream was closed. */
  closed(): void;
}

/** Returns the only start that is set; undefined: the next verdict. */
function chosenStart(options: StreamOptions): Start | undefined {
  const starts: Start[] = [];
  if (options.consumer !== undefined) {
    if (!/^[a-z0-9_-]{1,64}$/.test(options.consumer)) {
      throw new TypeError(`${options.consumer}: a consumer's name is 1 to 64 of a-z, 0-9, '-' and '_'`);
    }
    starts.push({ kind: 'consumer', name: options.consumer });
  }
  if (options.fromSequence !== undefined) starts.push({ kind: 'sequence', sequence: options.fromSequence });
  if (options.fromTime !== undefined) starts.push({ kind: 'time', time: options.fromTime });
  if (options.live === true) starts.push({ kind: 'live' });
  if (starts.length > 1) {
    throw new TypeError('consumer, fromSequence, fromTime and live exclude each other');
  }
  return starts[0];
}

function warnOfFailure(sequence: number, error: Error): void {
  process.emitWarning(`verdicts up to ${sequence} are not acknowledged yet: ${error.message}`, 'InspectdWarning');
}

/**
 * The events of a stream that reconnects by itself.
 *
 * It ends after {@link VerdictStream.close}, and with a permanent error, such as an unknown camera.
 */
export class VerdictStream implements AsyncIterable<StreamEvent> {
  readonly #calls: StreamCalls;
  readonly #options: StreamOptions;
  readonly #backoff: Backoff;
  readonly #silenceMs: number;
  readonly #acknowledger: Acknowledger | undefined;
  readonly #closing = new AbortController();
  #position: Position | undefined;
  #reader: MessageReader | undefined;
  /** Failures since the last message. */
  #failures = 0;
  /** The pause before the next attempt, milliseconds. */
  #pauseMs: number | undefined;
  #epoch = 0;
  /** The interval of heartbeats, as the daemon stated it last. */
  #intervalMs = 0;

  constructor(calls: StreamCalls, options: StreamOptions) {
    const start = chosenStart(options);
    this.#calls = calls;
    this.#options = options;
    this.#backoff = options.backoff ?? DEFAULT_BACKOFF;
    this.#silenceMs = options.silenceMs ?? DEFAULT_SILENCE_MS;
    this.#position = start && new Position(start);
    if (options.consumer !== undefined) {
      const send = calls.acknowledge(options.consumer);
      this.#acknowledger = new Acknowledger(send, this.#backoff, options.onAcknowledgeFailure ?? warnOfFailure);
    }
    if (options.signal?.aborted === true) {
      this.#end();
    }
    options.signal?.addEventListener('abort', () => this.#end(), { signal: this.#closing.signal });
  }

  /**
   * Acknowledges all verdicts up to and including `sequence`, in the background. After a restart of this program, the
   * consumer's stream starts with the next one. 0, the sequence of a verdict that is not in the journal, has no effect.
   */
  acknowledge(sequence: number): void {
    if (this.#acknowledger === undefined) {
      throw new TypeError('only a stream of a consumer can acknowledge');
    }
    this.#acknowledger.acknowledge(sequence);
  }

  /** Waits until all acknowledgements are durable. Rejects if the last attempt failed. */
  async flush(): Promise<void> {
    await this.#acknowledger?.flush();
  }

  /** Ends the stream. Acknowledgements that are pending are sent once. */
  async close(): Promise<void> {
    this.#end();
    await this.#acknowledger?.close();
    this.#calls.closed();
  }

  #end(): void {
    this.#closing.abort();
    this.#reader?.cancel();
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamEvent, void, undefined> {
    try {
      while (!this.#closed) {
        for (const event of await this.#step().catch((error: unknown) => this.#fail(error))) {
          yield event;
        }
      }
    } finally {
      await this.close();
    }
  }

  /** Connects, or receives a message. Returns the events for the user. */
  async #step(): Promise<StreamEvent[]> {
    if (this.#reader === undefined) {
      return this.#connect();
    }
    const message = await this.#reader.next(Math.max(this.#silenceMs, 3 * this.#intervalMs));
    this.#failures = 0;
    return this.#apply(message);
  }

  /** Opens the stream, after the pause that is due. It is open when its first message has arrived. */
  async #connect(): Promise<StreamEvent[]> {
    const again = this.#pauseMs !== undefined;
    await sleep(this.#pauseMs ?? 0, this.#closing.signal);
    if (this.#closed) {
      return [];
    }
    if (this.#position === undefined) {
      const newest = await this.#calls.newestSequence();
      this.#position = new Position(newest === undefined ? { kind: 'live' } : { kind: 'sequence', sequence: newest + 1 });
    }
    this.#position.connected();
    const { cameraIds = [], decisions = [] } = this.#options;
    this.#reader = this.#calls.open({ cameraIds, decisions, ...this.#position.request() });
    const message = await this.#reader.next(Math.max(this.#silenceMs, 3 * this.#intervalMs));
    this.#failures = 0;
    this.#pauseMs = undefined;
    return [...(again ? [{ type: 'reconnected' } as const] : []), ...this.#apply(message)];
  }

  #apply({ verdict, heartbeat, gap }: StreamVerdictsResponse): StreamEvent[] {
    const position = this.#position as Position;
    if (verdict != null) {
      return position.isNew(verdict) ? [{ type: 'verdict', verdict, epoch: this.#epoch }] : [];
    }
    if (heartbeat != null) {
      this.#epoch = heartbeat.epoch;
      const { seconds = 0, nanos = 0 } = heartbeat.interval ?? {};
      this.#intervalMs = Number(seconds) * 1000 + nanos / 1e6;
      position.heartbeat(heartbeat);
      return [{ type: 'heartbeat', heartbeat }];
    }
    if (gap != null) {
      const lost = position.gap(gap);
      return [lost === undefined ? { type: 'missed', count: gap.missed } : { type: 'lost', ...lost }];
    }
    // An event of a later version of the daemon.
    return [];
  }

  /** Schedules another attempt, or ends the stream with the error. */
  async #fail(error: unknown): Promise<StreamEvent[]> {
    this.#reader?.cancel();
    this.#reader = undefined;
    if (this.#closed) {
      return [];
    }
    if (!(error instanceof InspectdError)) {
      throw error;
    }
    if (error.keptRange !== undefined && this.#position !== undefined) {
      return this.#goOnWithOldest(this.#position, error, error.keptRange);
    }
    if (!error.transient) {
      throw error;
    }
    const retryInMs = pauseMs(this.#backoff, this.#failures);
    this.#failures += 1;
    this.#pauseMs = retryInMs;
    return [{ type: 'disconnected', error, retryInMs }];
  }

  /** Continues with the oldest verdict that is kept; a consumer acknowledges those before it. */
  async #goOnWithOldest(position: Position, error: InspectdError, kept: KeptRange): Promise<StreamEvent[]> {
    let lost;
    try {
      lost = position.outOfRange(kept);
    } catch {
      throw error;
    }
    this.#acknowledger?.acknowledge(kept.oldestSequence - 1);
    // If it fails, the daemon refuses the position again, after a pause.
    await this.#acknowledger?.flush().catch(() => {});
    this.#pauseMs = this.#failures === 0 ? undefined : pauseMs(this.#backoff, this.#failures - 1);
    this.#failures += 1;
    return lost === undefined ? [] : [{ type: 'lost', ...lost }];
  }
}

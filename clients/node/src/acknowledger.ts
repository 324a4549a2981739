import { pauseMs, type Backoff } from './backoff.js';
import { InspectdError } from './errors.js';
import { sleep } from './sleep.js';

/** The shortest time between two acknowledgements: each one is written to the daemon's disk. */
const INTERVAL_MS = 100;

/** Sends an acknowledgement; resolves when it is durable. */
export type SendAcknowledgement = (sequence: number) => Promise<void>;

/** Called with the sequence and the error at the first failure of a series. */
export type AcknowledgeFailure = (sequence: number, error: Error) => void;

/**
 * Sends the newest acknowledged sequence of a consumer, at most ten times a second. After a transient error, the
 * newest one is sent again; after another error, the next one.
 */
export class Acknowledger {
  readonly #send: SendAcknowledgement;
  readonly #backoff: Backoff;
  readonly #onFailure: AcknowledgeFailure;
  readonly #stop = new AbortController();
  /** The newest sequence that was requested. */
  #newest = 0;
  /** The newest sequence that was sent and answered, also by a permanent error. */
  #answered = 0;
  /** The error of the last attempt. */
  #error: Error | undefined;
  /** Called after the next attempt. */
  #waiting: (() => void)[] = [];
  #running: Promise<void> | undefined;

  constructor(send: SendAcknowledgement, backoff: Backoff, onFailure: AcknowledgeFailure) {
    this.#send = send;
    this.#backoff = backoff;
    this.#onFailure = onFailure;
  }

  /**
   * Acknowledges all verdicts up to and including `sequence`. A sequence below the newest one has no effect, and after
   * {@link Acknowledger.close} none has.
   */
  acknowledge(sequence: number): void {
    if (sequence > this.#newest && !this.#stop.signal.aborted) {
      this.#newest = sequence;
      this.#running ??= this.#run();
    }
  }

  /** Waits until the newest sequence is durable. Rejects with the error of the next attempt if that fails. */
  async flush(): Promise<void> {
    while (this.#running !== undefined && this.#answered < this.#newest) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (this.#error !== undefined) break;
    }
    if (this.#error !== undefined) {
      throw this.#error;
    }
  }

  /** Sends what is pending, once, and stops. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let failures = 0; this.#answered < this.#newest; ) {
      const stopping = this.#stop.signal.aborted;
      failures = (await this.#attempt()) ? 0 : failures + 1;
      this.#waiting.splice(0).forEach((resolve) => resolve());
      if (stopping) {
        break;
      }
      await sleep(failures === 0 ? INTERVAL_MS : pauseMs(this.#backoff, failures - 1), this.#stop.signal);
    }
    this.#running = undefined;
  }

  /** Sends the newest sequence. Returns whether it was answered. */
  async #attempt(): Promise<boolean> {
    const sequence = this.#newest;
    try {
      await this.#send(sequence);
      this.#answered = sequence;
      this.#error = undefined;
      return true;
    } catch (error) {
      const first = this.#error === undefined;
      this.#error = error as Error;
      if (first) {
        this.#onFailure(sequence, this.#error);
      }
      if (error instanceof InspectdError && error.transient) {
        return false;
      }
      this.#answered = sequence;
      return true;
    }
  }
}

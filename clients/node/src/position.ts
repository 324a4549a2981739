import { status } from '@grpc/grpc-js';

import { InspectdError, type KeptRange } from './errors.js';
import type { Gap } from './generated/inspectd/v1/Gap.js';
import type { Heartbeat } from './generated/inspectd/v1/Heartbeat.js';
import type { StreamVerdictsRequestInput } from './generated/inspectd/v1/StreamVerdictsRequest.js';
import type { Verdict } from './generated/inspectd/v1/Verdict.js';

/** Where a stream starts, and where it resumes after a lost connection. */
export type Start =
  /** With the next verdict, at the start and after each outage: for displays of the present. */
  | { kind: 'live' }
  /** With this sequence of the journal; 0 is the oldest that is kept. Resumes after the last verdict received. */
  | { kind: 'sequence'; sequence: number }
  /** With the first verdict that was journalled at or after this time. Resumes after the last verdict received. */
  | { kind: 'time'; time: Date }
  /** After the last verdict that this consumer acknowledged. */
  | { kind: 'consumer'; name: string };

/** Verdicts that the user will not receive, both sequences included; `first` is 0 if it is not known. */
export interface LostRange {
  first: number;
  last: number;
}

/** Where a stream is. Changed by messages only, so that it can be tested without a connection. */
export class Position {
  #start: Start;
  /** Everything up to this sequence was received, or did not match the filter; 0: nothing yet. */
  #passed = 0;
  /** The last verdict received; 0: none. */
  #received = 0;
  /** The runs of the daemon whose verdicts were received: the first sequence and the id of each. */
  readonly #runs: { first: number; runId: string }[] = [];
  /** The sequence in the last heartbeat of this connection. */
  #heartbeat: number | undefined;

  constructor(start: Start) {
    this.#start = start;
  }

  /** The start of the next request. */
  request(): Pick<StreamVerdictsRequestInput, 'consumer' | 'fromSequence' | 'fromTime'> {
    const start = this.#start;
    switch (start.kind) {
      case 'live':
        return {};
      case 'consumer':
        return { consumer: start.name };
      case 'sequence':
        return { fromSequence: this.#passed > 0 ? this.#passed + 1 : start.sequence };
      case 'time': {
        if (this.#passed > 0) {
          return { fromSequence: this.#passed + 1 };
        }
        const milliseconds = start.time.getTime();
        const seconds = Math.floor(milliseconds / 1000);
        return { fromTime: { seconds, nanos: (milliseconds - seconds * 1000) * 1e6 } };
      }
    }
  }

  /** A new connection is open. */
  connected(): void {
    this.#heartbeat = undefined;
  }

  /**
   * Takes a verdict. Returns whether it is new: a new connection may repeat what was received before.
   *
   * @throws InspectdError (DATA_LOSS) if it has the sequence of another verdict that was received: sequences began again.
   */
  isNew({ sequence, runId }: Pick<Verdict, 'sequence' | 'runId'>): boolean {
    if (this.#start.kind === 'live' || sequence === 0) {
      return true;
    }
    const isSameRun = this.#runs.filter(({ first }) => first <= sequence).at(-1)?.runId === runId;
    if (sequence <= this.#received) {
      if (isSameRun) {
        return false;
      }
      throw new InspectdError(
        status.DATA_LOSS,
        `sequences began again: verdict ${sequence} was received before, for another inspection; the journal of the daemon ` +
          'was removed, or this is another daemon',
      );
    }
    if (!isSameRun) {
      this.#runs.push({ first: sequence, runId });
    }
    this.#received = sequence;
    this.#passed = Math.max(this.#passed, sequence);
    return true;
  }

  /** Takes a heartbeat. */
  heartbeat({ sequence }: Pick<Heartbeat, 'sequence'>): void {
    // The daemon sends another heartbeat only once it has nothing else to send: what was the newest sequence at the one
    // before has been sent, or does not match the filter. Without this, a stream that rarely matches would resume where
    // the journal has aged out.
    if (this.#heartbeat !== undefined) {
      this.#passed = Math.max(this.#passed, this.#heartbeat);
    }
    this.#heartbeat = sequence;
  }

  /** Takes a gap. Returns the verdicts that were lost, or undefined if the client read too slowly. */
  gap(gap: Pick<Gap, 'reason' | 'firstSequence' | 'lastSequence'>): LostRange | undefined {
    if (gap.reason !== 'GAP_REASON_LOST') {
      return undefined;
    }
    // A new connection does not request them again.
    this.#passed = Math.max(this.#passed, gap.lastSequence);
    return { first: gap.firstSequence, last: gap.lastSequence };
  }

  /**
   * Takes the range that the daemon keeps, after it refused the position. The next request starts with the oldest verdict
   * that is kept.
   *
   * @returns the verdicts that are lost, or undefined if all removed verdicts were received.
   * @throws RangeError if the position is not before the range, so that it cannot be corrected.
   */
  outOfRange({ oldestSequence }: KeptRange): LostRange | undefined {
    const start = this.#start;
    const requested = start.kind === 'sequence' && this.#passed === 0 ? start.sequence : 0;
    const known = this.#passed > 0 ? this.#passed + 1 : requested;
    if (start.kind === 'live' || (start.kind !== 'consumer' && known >= oldestSequence)) {
      throw new RangeError('the position is not before the range');
    }
    if (known >= oldestSequence) {
      return undefined;
    }
    this.#passed = oldestSequence - 1;
    return { first: known, last: oldestSequence - 1 };
  }
}

import { status, type ClientReadableStream } from '@grpc/grpc-js';

import { convertError, InspectdError } from './errors.js';
import type { StreamVerdictsResponse } from './generated/inspectd/v1/StreamVerdictsResponse.js';

type Call = ClientReadableStream<StreamVerdictsResponse>;

/** The messages of one open call. */
export class MessageReader {
  readonly #call: Call;
  readonly #messages: AsyncIterator<StreamVerdictsResponse>;

  constructor(call: Call) {
    this.#call = call;
    this.#messages = call[Symbol.asyncIterator]();
  }

  /**
   * Waits for the next message, for at most `limitMs` milliseconds.
   *
   * @throws InspectdError when the stream ends, also by {@link MessageReader.cancel}, or is silent for longer.
   */
  async next(limitMs: number): Promise<StreamVerdictsResponse> {
    let silent = false;
    const timer = setTimeout(() => {
      silent = true;
      this.#call.cancel();
    }, limitMs);
    try {
      const { done, value } = await this.#messages.next();
      if (done !== true) {
        return value;
      }
    } catch (error) {
      if (!silent) {
        throw convertError(error);
      }
    } finally {
      clearTimeout(timer);
    }
    const reason = silent ? `no message within ${limitMs / 1000} s` : 'the daemon closed the stream';
    throw new InspectdError(status.UNAVAILABLE, reason);
  }

  /** Ends the call. */
  cancel(): void {
    // A stream that is not read reports its end as an event.
    this.#call.on('error', () => {});
    this.#call.cancel();
  }
}

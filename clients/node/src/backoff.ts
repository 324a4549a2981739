/** The pause before another attempt. It doubles with each failure, up to a maximum. */
export interface Backoff {
  /** The pause after the first failure, milliseconds. */
  initialMs: number;
  /** The longest pause, milliseconds. */
  maxMs: number;
}

/** 250 ms, up to 5 s. */
export const DEFAULT_BACKOFF: Backoff = { initialMs: 250, maxMs: 5000 };

/** Returns the pause after this number of failures, counted from 0, in milliseconds. */
export function pauseMs(backoff: Backoff, failures: number): number {
  return Math.min(backoff.initialMs * 2 ** failures, backoff.maxMs);
}

// The latency of a camera, the time from exposure to delivery, from changes of the light. `inspectctl camera latency` has
// the same algorithm.

/** Number of measurements. */
export const REPEAT = 5;

/** Time that the brightness must be steady before the light changes. */
const STEADY_MS = 1000;

/** Maximum wait for steady light, and for a change. */
const LIMIT_MS = 60000;

/** Smallest change of the brightness that counts, grey levels. */
const SMALLEST_CHANGE = 5;

/** A change is larger than the noise by this factor. */
const NOISE_FACTOR = 4;

/**
 * The range of the brightness while the light is steady, grey levels.
 * @typedef {{least: number, most: number}} Light
 */

const at = (level) => ({ least: level, most: level });

const including = ({ least, most }, level) => ({ least: Math.min(least, level), most: Math.max(most, level) });

/** Whether a level differs by more than noise. @param {Light} light @param {number} level @returns {boolean} */
function differs({ least, most }, level) {
  const change = Math.max(SMALLEST_CHANGE, NOISE_FACTOR * (most - least));
  return level > most + change || level < least - change;
}

/**
 * `idle`: not started. `settling`: waits until the light is steady. `ready`: the light is steady, and may change.
 * `changing`: the light has changed, and the meter waits for the first frame with the new light.
 * @typedef {"idle"|"settling"|"ready"|"changing"|"done"} Phase
 */

/** Measures several times. It has no clock: every call states its time, milliseconds of `performance.now()`. */
export class LatencyMeter {
  constructor() {
    /** @type {Phase} */
    this.phase = "idle";
    /** Whether the light changed too early, in the phase `ready`. Reset by the next change that is in time. */
    this.early = false;
    /** What was measured so far, whole milliseconds. @type {number[]} */
    this.values = [];
    /** Start of the wait that `LIMIT_MS` limits. */
    this.begun = 0;
    this.steadySince = 0;
    /** Null before the first frame of the phase `settling`. @type {Light|null} */
    this.light = null;
  }

  /** Begins with the wait for steady light. @param {number} now */
  start(now) {
    this.settle(now);
  }

  /**
   * Takes the brightness of a frame.
   * @param {number} level 0 to 255
   * @param {number} now when the frame was delivered
   * @returns {boolean} whether the phase changed
   */
  level(level, now) {
    if (this.phase === "settling") return this.becomesSteady(level, now);
    if ((this.phase !== "ready" && this.phase !== "changing") || !differs(this.light, level)) return false;
    this.early = this.phase === "ready";
    if (!this.early) this.values.push(Math.round(now - this.begun));
    if (this.values.length < REPEAT) this.settle(now);
    else this.phase = "done";
    return true;
  }

  /**
   * The light changes now.
   * @param {number} now
   * @returns {boolean} false: the phase is not `ready`, and the change is not measured
   */
  change(now) {
    if (this.phase !== "ready") return false;
    this.phase = "changing";
    this.early = false;
    this.begun = now;
    return true;
  }

  /** Why the measurement has failed. @param {number} now @returns {string|null} null: it has not */
  failure(now) {
    if (now - this.begun <= LIMIT_MS) return null;
    if (this.phase === "settling") return `The light was not steady within ${LIMIT_MS / 1000} s.`;
    return this.phase === "changing" ? `The brightness did not change within ${LIMIT_MS / 1000} s.` : null;
  }

  settle(now) {
    this.phase = "settling";
    this.begun = now;
    this.light = null;
  }

  becomesSteady(level, now) {
    if (this.light === null || differs(at(this.light.least), level) || differs(at(this.light.most), level)) {
      this.light = at(level);
      this.steadySince = now;
    }
    this.light = including(this.light, level);
    if (now - this.steadySince < STEADY_MS) return false;
    this.phase = "ready";
    return true;
  }
}

/**
 * The value to configure: the largest one plus a tenth of it, rounded up to 5 ms.
 * @param {number[]} values whole milliseconds
 * @returns {number}
 */
export const suggestion = (values) => Math.ceil((Math.max(...values) * 11) / 50) * 5;

/** The lines of the configuration. @param {string} id of the camera @param {number} latencyMs @returns {string} */
export const latencyLines = (id, latencyMs) => `[cameras.${id}]\nlatency_ms = ${latencyMs}`;

// The threshold that is considered: one of those that the daemon has evaluated.

/** A choice among evaluated thresholds. */
export class Draft {
  constructor() {
    this.handlers = [];
    this.evaluation = null;
    this.index = 0;
  }

  /**
   * Takes an evaluation.
   * @param {Object} evaluation an EvaluateThresholdsResponse
   * @param {number|null} threshold the threshold to choose; null: the present one
   */
  load(evaluation, threshold) {
    this.evaluation = evaluation;
    this.presentIndex = this.nearest(evaluation.present_threshold);
    this.index = threshold === null ? this.presentIndex : this.nearest(threshold);
    this.notify();
  }

  /** What each threshold would have decided, ascending. @returns {Object[]} */
  get outcomes() {
    return this.evaluation?.outcomes ?? [];
  }

  /** The outcome of the chosen threshold. @returns {Object|undefined} */
  get outcome() {
    return this.outcomes[this.index];
  }

  /** The outcome of the present threshold. @returns {Object|undefined} */
  get present() {
    return this.outcomes[this.presentIndex];
  }

  /** Whether another threshold than the present one is chosen. @returns {boolean} */
  get isChanged() {
    return this.outcomes.length > 0 && this.index !== this.presentIndex;
  }

  /** Whether a threshold was evaluated. @param {number} threshold @returns {boolean} */
  has(threshold) {
    const found = this.outcomes[this.nearest(threshold)];
    return found !== undefined && Math.abs(found.threshold - threshold) <= 1e-6 * Math.abs(threshold);
  }

  /** Chooses the evaluated threshold that is nearest. @param {number} threshold */
  moveTo(threshold) {
    this.move(this.nearest(threshold));
  }

  /** Chooses by index, within the limits. @param {number} index */
  move(index) {
    const next = Math.min(this.outcomes.length - 1, Math.max(0, index));
    if (next === this.index) return;
    this.index = next;
    this.notify();
  }

  /** Chooses the present threshold. */
  reset() {
    this.move(this.presentIndex);
  }

  /** Registers a handler for each change. @param {function(): void} handler */
  onChange(handler) {
    this.handlers.push(handler);
  }

  notify() {
    for (const handler of this.handlers) handler();
  }

  nearest(threshold) {
    let best = 0;
    this.outcomes.forEach((outcome, index) => {
      if (Math.abs(outcome.threshold - threshold) < Math.abs(this.outcomes[best].threshold - threshold)) best = index;
    });
    return best;
  }
}

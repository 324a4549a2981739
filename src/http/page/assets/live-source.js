// Reads the live data of the daemon, connects again after an interruption, and keeps what a page that opens later
// shows first. Runs in the shared worker, or in the page where shared workers do not exist.

const SILENCE_LIMIT_MS = 10000;
const LONGEST_PAUSE_MS = 5000;
const RECENT = 12;

/** One connection to `/live`. */
export class LiveSource {
  /** @param {function({kind:string, data:Object, age:number}): void} deliver receives each event */
  constructor(deliver) {
    this.deliver = deliver;
    this.stream = null;
    this.pause = 500;
    this.running = false;
    this.forget();
  }

  /** Connects, if not connected. */
  start() {
    if (this.running) return;
    this.running = true;
    this.watch = setInterval(() => this.checkSilence(), 1000);
    this.open();
  }

  /** Disconnects and forgets what was kept. */
  stop() {
    this.running = false;
    clearInterval(this.watch);
    clearTimeout(this.retry);
    this.stream?.close();
    this.stream = null;
    this.forget();
  }

  /** What a new page shows first. @returns {Array<{kind:string, data:Object, age:number}>} */
  snapshot() {
    if (!this.status) return [];
    const verdicts = [...this.recent, ...this.newest.values()].sort((a, b) => a.sequence - b.sequence);
    const age = Date.now() - this.heard;
    return [
      { kind: "status", data: this.status, age },
      { kind: "verdicts", data: { verdicts, missed: 0 }, age },
    ];
  }

  forget() {
    this.status = null;
    this.newest = new Map();
    this.recent = [];
    this.heard = Date.now();
  }

  open() {
    clearTimeout(this.retry);
    this.stream?.close();
    const stream = new EventSource("/live");
    this.stream = stream;
    this.opened = Date.now();
    for (const kind of ["status", "verdicts", "gap"]) {
      stream.addEventListener(kind, (event) => this.receive(kind, JSON.parse(event.data)));
    }
    stream.addEventListener("failed", (event) => {
      this.deliver({ kind: "failed", data: JSON.parse(event.data), age: 0 });
      this.reconnect();
    });
    stream.onerror = () => this.reconnect();
  }

  receive(kind, data) {
    this.heard = Date.now();
    this.pause = 500;
    if (kind === "status") {
      if (this.status && this.status.run_id !== data.run_id) this.newest.clear();
      this.status = data;
    }
    if (kind === "verdicts") for (const verdict of data.verdicts) this.keep(verdict);
    this.deliver({ kind, data, age: 0 });
  }

  keep(verdict) {
    this.newest.set(`${verdict.camera_id}/${verdict.group_id}`, verdict);
    if (verdict.decision === "DECISION_REJECT" || verdict.decision === "DECISION_FAULT") {
      this.recent.push(verdict);
      if (this.recent.length > RECENT) this.recent.shift();
    }
  }

  async reconnect() {
    this.stream?.close();
    this.stream = null;
    clearTimeout(this.retry);
    if (!this.running) return;
    this.retry = setTimeout(() => this.open(), this.pause);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
    if (await isSignedOut()) {
      this.stop();
      this.deliver({ kind: "signed_out", data: {}, age: 0 });
    }
  }

  // A connection can be lost without an error, for example if a cable is pulled.
  checkSilence() {
    if (this.stream && Date.now() - Math.max(this.heard, this.opened) > SILENCE_LIMIT_MS) this.reconnect();
  }
}

async function isSignedOut() {
  try {
    const response = await fetch("/api/session");
    return response.ok && (await response.json()).signed_in === false;
  } catch {
    return false;
  }
}

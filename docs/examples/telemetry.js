// Sends events to the collector from a page: batched, retried under the same ids, kept in localStorage until a 202.
// Each event is an entry of its own, so that several tabs of one game cannot overwrite each other's.
const PREFIX = "telemetry:";
const BATCH_EVENTS = 100;
const BATCH_BYTES = 50 * 1024; // a fetch with keepalive takes 64 KiB
const MOST_EVENTS = 2000;

export class Telemetry {
  constructor(url, writeKey, defaults = {}) {
    Object.assign(this, { url, writeKey, defaults, memory: new Map(), sending: Promise.resolve(), rejected: [] });
    Object.assign(this, { pause: 1000, notBefore: 0 });
    addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.flush());
    setInterval(() => this.flush(), 5000);
    this.flush(); // what an earlier visit could not send
  }

  track(eventName, ids, properties = {}) {
    const event = { event_id: crypto.randomUUID(), event_name: eventName, event_version: 1,
      created_ts: new Date().toISOString(), ...this.defaults, ...ids, properties };
    const name = `${PREFIX}${event.created_ts}:${event.event_id}`;
    const names = this.waiting();
    if (names.length >= MOST_EVENTS) this.forget(names.slice(0, 1));
    try {
      localStorage.setItem(name, JSON.stringify(event));
    } catch { // full, or not allowed: until the page is closed
      this.memory.set(name, JSON.stringify(event));
    }
    return event.event_id;
  }

  waiting() { // names of the events that wait, the oldest first
    return [...Object.keys(localStorage).filter((name) => name.startsWith(PREFIX)), ...this.memory.keys()].sort();
  }

  forget(names) {
    for (const name of names) {
      localStorage.removeItem(name);
      this.memory.delete(name);
    }
  }

  flush() { // one request at a time; resolves when nothing waits or the collector is away
    this.sending = this.sending.then(() => this.sendAll());
    return this.sending;
  }

  async sendAll() {
    while (Date.now() >= this.notBefore) {
      const batch = this.nextBatch();
      if (batch.length === 0) return;
      const events = batch.map(([, text]) => text);
      const { status, retryAfter, rejected } = await this.post(events);
      const isRefused = status >= 400 && status < 500 && ![408, 429].includes(status); // and would be again
      if (!rejected && !isRefused) {
        this.notBefore = Date.now() + Math.max(1000 * retryAfter, this.pause * (0.5 + Math.random() / 2));
        this.pause = Math.min(this.pause * 2, 60000);
        return;
      }
      if (isRefused) console.error("telemetry refused", status);
      for (const one of rejected ?? []) console.warn("telemetry rejected", events[one.index], one.error_message);
      this.rejected.push(...rejected ?? []);
      this.forget(batch.map(([name]) => name));
      this.pause = 1000;
    }
  }

  async post(events) {
    const body = `{"sent_ts":"${new Date().toISOString()}","events":[${events.join(",")}]}`;
    const headers = { Authorization: `Bearer ${this.writeKey}`, "Content-Type": "application/json" };
    const keepalive = new Blob([body]).size < 60000; // outlives the page
    try {
      const answer = await fetch(`${this.url}/v1/events`, { method: "POST", keepalive, body, headers });
      const { rejected } = answer.status === 202 ? await answer.json() : {};
      return { status: answer.status, retryAfter: Number(answer.headers.get("Retry-After")) || 0, rejected };
    } catch {
      return { status: 0, retryAfter: 0 }; // offline: the same events go out again later
    }
  }

  nextBatch() {
    let bytes = 0;
    return this.waiting().slice(0, BATCH_EVENTS)
      .map((name) => [name, this.memory.get(name) ?? localStorage.getItem(name)])
      .filter(([, text], place) => text && ((bytes += new Blob([text]).size + 1) <= BATCH_BYTES || place === 0));
  }
}

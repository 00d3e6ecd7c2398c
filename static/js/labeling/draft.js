/* Keeps unfinished work: in this browser at once, on the server one second after the last change.
   One save is under way at a time and the newest content wins; offline it waits and goes out when the connection is back. */

const WAIT = 1000, RETRY = 5000;

export class DraftKeeper {
  /** `assignment` names the work in this browser, `at` is where the server takes its draft; `report(status)`: saved,
      saving, offline, signed-out, gone; `signal` ends it. `sent` is true once the label itself is stored. */
  constructor({ assignment, at, savedAt, report, held, signal }) {
    this.url = `${at}/draft`;
    this.store = `tutelage.draft.${assignment}`;
    this.savedAt = savedAt || ""; // the server's moment of what it last stored
    Object.assign(this, { report, held });
    this.waiting = null; // content that the server has not confirmed
    this.busy = null; // the AbortController of the save under way
    this.paused = false; // while the label itself is being sent
    this.sent = false;
    addEventListener("online", () => this.save(), { signal });
    addEventListener("pagehide", () => this.leave(), { signal });
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.save(); }, { signal });
    signal?.addEventListener("abort", () => this.done());
  }

  /** Work that this browser kept and the server never confirmed, or null. */
  unconfirmed() {
    try {
      const kept = JSON.parse(localStorage.getItem(this.store) || "null");
      const newer = kept && (kept.base === this.savedAt || new Date(kept.at) > new Date(this.savedAt));
      return newer ? kept.draft : null;
    } catch { return null; }
  }

  change(draft) {
    this.waiting = draft;
    try { localStorage.setItem(this.store, JSON.stringify({ at: new Date(), base: this.savedAt, draft })); } catch { /* Full or refused: the server still has it. */ }
    clearTimeout(this.timer);
    if (this.paused) return;
    this.timer = setTimeout(() => this.save(), WAIT);
    this.report("saving");
  }

  async save() {
    if (this.busy || this.paused || this.sent || this.waiting === null) return;
    clearTimeout(this.timer);
    const draft = this.waiting;
    const busy = this.busy = new AbortController();
    let status = 0, kept = null;
    try {
      const answer = await put(this.url, draft, { signal: busy.signal });
      status = answer.type === "opaqueredirect" ? 401 : answer.status;
      if (answer.ok) kept = await answer.json();
    } catch { /* No connection. */ }
    if (this.busy !== busy) return; // given up by pause()
    this.busy = null;
    if (kept) {
      this.savedAt = kept.saved_at;
      this.held(kept.expires_at);
      if (this.waiting === draft) {
        this.waiting = null;
        localStorage.removeItem(this.store);
        this.report("saved");
      } else this.save();
    } else if (status === 401) {
      this.report("signed-out");
      this.later();
    } else if (status === 404 || status === 409) this.report("gone");
    else {
      this.report("offline");
      this.later();
    }
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), RETRY);
  }

  leave() {
    if (this.waiting !== null && !this.paused && !this.sent) put(this.url, this.waiting, { keepalive: true }).catch(() => {});
  }

  /** The label is on its way: a draft that comes after it would only be refused. */
  pause() {
    this.paused = true;
    clearTimeout(this.timer);
    this.busy?.abort();
    this.busy = null;
  }

  /** It was refused: go on keeping. */
  resume() {
    this.paused = false;
    this.save();
  }

  /** The label is stored: nothing more to keep. */
  done() {
    this.sent = true;
    clearTimeout(this.timer);
    this.forget();
  }

  /** What this browser kept is stored elsewhere by now. */
  forget() { localStorage.removeItem(this.store); }
}

function put(url, draft, { keepalive = false, signal } = {}) {
  const body = JSON.stringify(draft);
  return fetch(url, {
    signal,
    method: "PUT", body, redirect: "manual", headers: { "Content-Type": "application/json", Accept: "application/json" },
    keepalive: keepalive && body.length < 60000, // browsers refuse larger ones
  });
}

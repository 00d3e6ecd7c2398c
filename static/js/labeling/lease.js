/* Holds the task while she works on it: a sign of life every other minute of activity, none when she is idle. When the page
   goes it says so, and the hold ends two minutes later: enough for a reload, and nobody waits for a task that nobody does. */

import { t } from "../translate.js";
import { idleFor } from "./presence.js";

const IDLE = 90_000;

export class Lease {
  /** `ended(when)` when the hold has run out unrenewed; `held(until)` when it is (again) hers; `lost(sentence)` when not. */
  constructor({ assignment, expiresAt, ended, held, lost }) {
    this.url = `/assignments/${assignment}/lease`;
    this.expires = new Date(expiresAt);
    this.every = Math.min(100_000, Math.max(5_000, (this.expires - Date.now()) / 4));
    Object.assign(this, { ended, held, lost });
    this.over = false;
    this.renewed = Date.now();
    this.clock = setInterval(() => this.look(), 1000);
    addEventListener("pagehide", this.leave = () => { if (!this.over) navigator.sendBeacon(`/assignments/${assignment}/leave`); });
    addEventListener("pageshow", this.back = (event) => { if (event.persisted && !this.over) this.renew(); });
  }

  look() {
    const now = Date.now();
    if (!this.over && now > this.expires) {
      this.over = true;
      this.ended(this.expires);
    } else if (!this.over && now - this.renewed > this.every && idleFor() < IDLE) this.renew();
  }

  /** Hold on, or take it back. */
  async renew() {
    this.renewed = Date.now();
    let answer;
    try {
      answer = await fetch(this.url, { method: "POST", redirect: "manual", headers: { Accept: "application/json" } });
    } catch { return; } // offline: the next look tries again
    if (answer.ok) {
      this.until((await answer.json()).expires_at);
    } else if (answer.status === 409 || answer.status === 404) {
      this.stop();
      this.lost(await sentence(answer));
    }
  }

  /** The server says how long it is hers. */
  until(moment) {
    this.expires = new Date(moment);
    if (this.expires <= Date.now()) return;
    this.renewed = Date.now();
    this.over = false;
    this.held(this.expires);
  }

  stop() {
    clearInterval(this.clock);
    removeEventListener("pagehide", this.leave);
    removeEventListener("pageshow", this.back);
  }
}

/** What the server says went wrong, in its own words. */
export async function sentence(answer, otherwise = t("The server could not do this.")) {
  try { return (await answer.json()).detail || otherwise; } catch { return otherwise; }
}

/* The next task is there before she asks for it: claimed and fetched while she works on this one, and shown in its place
   once the server has stored what she sent, or has given back what she skipped. So one page stands for many tasks, one after the other:

   - whatever a module sets up for a task ends with the task's `signal` (listeners take it as an option, timers listen to it);
   - a page fetched ahead is shown only while it is what the server hands out next, made of what still holds (its edition);
   - in every other case the browser loads the address that the server named, which is always right. */
import { localTimes, showing } from "../base.js";
import { $, $$, make } from "../dom.js";
import { number, t, tn } from "../translate.js";
import { Lease } from "./lease.js";

const AGAIN = 30_000; // where there was none, look again after this long
let current = null; // {life, ahead} of the task that is shown

/** `mount(turn)` sets a page up for the task that is in the document; it is called again for every further one. */
export function openTasks(mount) {
  const region = make("p", { id: "announce", className: "vh", dataset: { stays: "" } });
  region.setAttribute("role", "status");
  document.body.append(region); // long before it has to speak, and there for all tasks
  begin(mount);
  addEventListener("pagehide", () => current.ahead.leave());
}

function begin(mount) {
  const { dataset } = $("#task"), life = new AbortController();
  // An edit of a label that is sent leads back to the label: nothing waits behind it.
  const ahead = new Ahead(dataset.expiresAt ? dataset.assignment : null, life.signal);
  current = { life, ahead };
  mount({
    signal: life.signal, worked: () => ahead.fetch(),
    goOn: (answer, url = answer.next) => goOn(mount, ahead, answer, url, true), skipped: (answer) => goOn(mount, ahead, answer, answer.next, false),
  });
  document.body.dataset.ready = "yes";
}

/** The task is done with: its label is stored (`sent`), or it is skipped. Show the next one, or go to `url`. */
function goOn(mount, ahead, answer, url, sent) {
  const page = url === answer.next && ahead.take(answer);
  if (!page) { location.assign(url); return; }
  const again = $("#sent-again"), done = Number($(".day").dataset.done) + 1;
  current.life.abort();
  if (sent) tellSent(page, again, done);
  delete document.body.dataset.ready;
  document.body.className = page.body.className;
  // What belongs to every page stays: the region that speaks and the dialog of display choices.
  for (const part of $$("body > :not([data-stays])")) part.remove();
  document.body.prepend(...[...page.body.children].filter((part) => !("stays" in part.dataset)));
  document.title = page.title;
  history.pushState(null, "", url);
  showing(url);
  localTimes();
  begin(mount);
  const heading = $(".bar h1").textContent;
  $("#announce").textContent = sent ? t("Sent. Next task: %(heading)s.", { heading }) : t("Skipped. Next task: %(heading)s.", { heading });
}

/** The page was made before this label was sent: its bar says so now, with the way back. */
function tellSent(page, again, done) {
  const end = $(".bar-end", page);
  if (again && !$("span.unsend", end)) {
    $(".unsend", end)?.remove();
    end.prepend(document.importNode(again.content, true));
  }
  const said = tn("%(shown)s done today", "%(shown)s done today", done, { shown: number(done) });
  Object.assign($(".day", end), { textContent: said }).dataset.done = done;
}

/** One task ahead: held like the one she works on, given back when she leaves without having seen it. */
class Ahead {
  constructor(assignment, signal) {
    Object.assign(this, { assignment, signal, page: null, at: "", lease: null, asked: -AGAIN });
    signal.addEventListener("abort", () => this.lease?.stop());
  }

  /** She is at work: time to get the next one. */
  async fetch() {
    if (!this.assignment || this.page || performance.now() - this.asked < AGAIN) return;
    this.asked = performance.now();
    try {
      const answer = await fetch(`/assignments/${this.assignment}/ahead`, { method: "POST", signal: this.signal, headers: { Accept: "text/html" } });
      const at = new URL(answer.url).pathname;
      if (answer.status === 200 && /^\/assignments\/\d+$/.test(at)) this.keep(at, new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* No connection, or she was quicker: the page is loaded when it is wanted. */ }
  }

  keep(at, page) {
    const task = $("#task", page);
    if (this.signal.aborted || !task || !sameAssets(page)) return;
    Object.assign(this, { page, at });
    const drop = () => this.drop();
    this.lease = new Lease({ assignment: task.dataset.assignment, expiresAt: task.dataset.expiresAt, ended: drop, held() {}, lost: drop });
  }

  drop() {
    this.lease?.stop();
    this.page = this.lease = null;
  }

  /** The page, if it is what `next` and `edition` say; it is hers to see from now on. */
  take({ next, edition }) {
    const { page, lease } = this, task = page && $("#task", page);
    if (!page || next !== this.at || task.dataset.edition !== edition) return null;
    task.dataset.expiresAt = lease.expires.toISOString();
    this.drop();
    return page;
  }

  leave() {
    if (this.page) fetch(`${this.at}/leave`, { method: "POST", keepalive: true }).catch(() => {});
    this.drop();
    this.asked = performance.now();
  }
}

/** Whether a page needs the very styles and scripts that are loaded here; after an update of the server it does not. */
function sameAssets(page) {
  const list = (root) => $$("link[rel=stylesheet], script[src]", root.head).map((e) => e.getAttribute("href") || e.getAttribute("src")).join();
  return list(page) === list(document);
}

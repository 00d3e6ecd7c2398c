/* How a task was looked at: active seconds, and on the ranking page what was done with each response.

   Time counts while the page is in view and somebody touched it within the last minute. Which of several columns is
   being read cannot be known: a response is given the time in which it alone is shown (phone) or has the focus (desk),
   and the log says which of the two it was. */
import { $$ } from "../dom.js";

const IDLE = 60_000;
let lastActivity = Date.now(), seconds = 0, ticking = () => {};
for (const kind of ["pointerdown", "pointermove", "keydown", "scroll", "touchstart"])
  addEventListener(kind, () => { lastActivity = Date.now(); }, { capture: true, passive: true });

/** Milliseconds since somebody touched the page. */
export const idleFor = () => Date.now() - lastActivity;
setInterval(() => { if (!document.hidden && idleFor() < IDLE) { seconds += 1; ticking(); } }, 1000);

export const activeSeconds = () => seconds;
/** A task begins, or goes on after `kept` seconds. */
export const beginSeconds = (kept) => { seconds = Number.isFinite(kept) ? kept : 0; ticking = () => {}; };

const phone = matchMedia("(max-width: 640px)"), wide = matchMedia("(min-width: 1024px)");
const viewport = () => (phone.matches ? "phone" : wide.matches ? "wide" : "narrow");
const whole = (value) => (Number.isInteger(value) && value > 0 ? value : 0);

/** The log of a ranking. `kept` is the log of a draft, what does not fit this task is left out; `signal` ends it. */
export function watchRanking(ids, kept, signal) {
  const log = { prompt_seconds: whole(kept?.prompt_seconds), moves: whole(kept?.moves), responses: {} };
  let dwell = ["shown", "focus", "mixed"].includes(kept?.dwell) ? kept.dwell : "", current = "";
  for (const id of ids) {
    const was = kept?.responses?.[id] || {};
    log.responses[id] = { seconds: whole(was.seconds), opened: whole(was.opened), end: was.end === true, raw: whole(was.raw), compared: whole(was.compared) };
  }
  ticking = () => {
    if (current === "P") log.prompt_seconds += 1;
    if (!log.responses[current]) return;
    const by = phone.matches ? "shown" : "focus";
    dwell = dwell && dwell !== by ? "mixed" : by;
    log.responses[current].seconds += 1;
  };
  const ends = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) if (isIntersecting && !document.hidden) log.responses[target.closest("[data-id]").dataset.id].end = true;
  });
  for (const note of $$(".resp .end-note")) ends.observe(note);
  signal.addEventListener("abort", () => ends.disconnect());
  return {
    at(id) { if (id !== current && log.responses[id]) log.responses[id].opened += 1; current = id; },
    moved() { log.moves += 1; },
    raw(list) { for (const id of list) if (log.responses[id]) log.responses[id].raw += 1; },
    compared(list) { for (const id of list) if (log.responses[id]) log.responses[id].compared += 1; },
    log: () => ({ version: 1, viewport: viewport(), active_seconds: seconds, ...(dwell && { dwell }), ...structuredClone(log) }),
  };
}

/** The log of an answer: the time, and how many times its text was changed. */
export function watchWriting(kept) {
  let edits = whole(kept?.edits);
  return { edited() { edits += 1; }, log: () => ({ version: 1, viewport: viewport(), active_seconds: seconds, edits }) };
}

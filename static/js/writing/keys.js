/* Keys of the writing pages: with Alt or Ctrl they act inside of the text, letters only outside of it. */
import { openDialog, pickByDigit } from "../labeling/desk.js";
import { lettersAct, openTick } from "../labeling/letters.js";
import { $ } from "../dom.js";

const WITH_ALT = { r: "read", t: "round", u: "source", z: "undo" };
const LETTERS = { s: "skip", r: "report", m: "guide", "?": "keys", t: "round", u: "source", z: "undo", p: "prompt", e: "write", enter: "write" };

/** `acts` maps names to functions; one that is missing leaves its key alone. */
export function listen(acts, signal) {
  openTick();
  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); if (!event.repeat) acts.send(); return; }
    if (event.altKey && !event.ctrlKey && !event.metaKey && !openDialog()) {
      // The key as it is printed, which differs from its place on many keyboards; where Alt makes another sign of it, its place.
      const letter = /^[a-z]$/i.test(event.key) ? event.key.toLowerCase() : event.code.replace("Key", "").toLowerCase();
      const name = letter === "t" && event.shiftKey ? "removeRound" : WITH_ALT[letter];
      if (acts[name]) { event.preventDefault(); acts[name](); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const dialog = openDialog();
    if (dialog) { if (pickByDigit(dialog, event.key, event)) event.preventDefault(); return; }
    if (event.key === "Escape") { $("#guide").hidden = true; if (event.target.matches("textarea, input")) event.target.blur(); return; }
    if (event.target.matches("textarea, input, select, button, a, summary")) return;
    if (!lettersAct() && !["Enter", "?"].includes(event.key)) return;
    const act = acts[LETTERS[event.key.toLowerCase()]];
    if (act) { event.preventDefault(); act(); }
  }, { signal });
  document.addEventListener("click", (event) => {
    const hit = event.target.closest("[data-do]");
    if (!hit) return;
    if (hit.closest("#more")) $("#more").close();
    acts[hit.dataset.do]();
  }, { signal });
}

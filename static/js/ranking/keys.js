/* Which key does what. Letters A to I are always responses, so commands use J to Z. */
import { $ } from "../dom.js";
import { openDialog, pickByDigit } from "../labeling/desk.js";

export const COMMANDS = { z: "undo", x: "flags", s: "skip", r: "report", n: "reason", m: "guide", "?": "keys", p: "prompt", w: "wide", o: "order" };
const FLAG_KEYS = "1234567890-";

/** `desk` answers: current(), openFlags(), go(), step(way), toEnd(way), walk(way), rate(n), flag(at), goToLetter(letter), act(name), close(). */
export function listen(desk, { max }) {
  const single = $("#single");
  single.checked = localStorage.getItem("tutelage.keys") !== "off";
  single.addEventListener("change", () => localStorage.setItem("tutelage.keys", single.checked ? "on" : "off"));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const dialog = openDialog();
    if (dialog) { if (pickByDigit(dialog, event.key)) event.preventDefault(); return; }
    if (event.key === "Escape") return desk.close();
    if (event.target.matches("textarea, select, input:not([type=radio], [type=checkbox])")) return;
    if (handled(event)) event.preventDefault();
  });

  function handled(event) {
    const { target, key, shiftKey } = event, low = key.length === 1 ? key.toLowerCase() : key;
    const digit = /^(Digit|Numpad)[0-9]$/.test(event.code) ? event.code.slice(-1) : "";
    if (key === "Enter") {
      if (event.repeat) return true; // a key held down confirms nothing
      if (target.closest("button, a, summary")) return false;
      desk.go();
      return true;
    }
    if (key === "ArrowLeft" || key === "ArrowRight") {
      if (target.matches("input[type=radio]")) return false;
      const way = key === "ArrowLeft" ? -1 : 1;
      if (shiftKey) desk.step(way); else desk.walk(way);
      return true;
    }
    if (shiftKey && (key === "Home" || key === "End")) { desk.toEnd(key === "Home" ? -1 : 1); return true; }
    if (!single.checked && key !== "?") return false;
    if (desk.openFlags() && FLAG_KEYS.includes(low)) { desk.flag(FLAG_KEYS.indexOf(low)); return true; }
    if (shiftKey && digit) { desk.flag(FLAG_KEYS.indexOf(digit)); return true; }
    if (low >= "1" && low <= String(max) && low.length === 1) { desk.rate(Number(low)); return true; }
    if (shiftKey && low === "z") { desk.act("redo"); return true; }
    if (/^[a-i]$/.test(low) && desk.goToLetter(low.toUpperCase())) return true;
    if (COMMANDS[low]) { desk.act(COMMANDS[low]); return true; }
    return false;
  }
}

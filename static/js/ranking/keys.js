/* What a key does now. Letters A to I are always responses; the commands' keys are a person's own (keymap.js). */
import { openDialog, pickByDigit } from "../labeling/desk.js";
import { lettersAct, openTick } from "../labeling/letters.js";
import { SHIFTED } from "./keymap.js";

const FLAG_KEYS = "1234567890-";

/** `desk` answers: openFlags(), choosing(), sure(), go(), step(way), toEnd(way), walk(way), rate(n), answer(n), flag(at),
    goToLetter(letter), compareWith(letter), act(name), close(). */
export function listen(desk, keymap, { max }, signal) {
  openTick();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const dialog = openDialog();
    if (dialog) { if (pickByDigit(dialog, event.key, event)) event.preventDefault(); return; }
    if (event.key === "Escape") return desk.close();
    if (event.target.matches("textarea, select, input:not([type=radio], [type=checkbox])")) return;
    if (handled(event)) event.preventDefault();
  }, { signal });

  function handled(event) {
    const { target, key, shiftKey } = event, low = key.length === 1 ? key.toLowerCase() : key;
    const digit = /^(Digit|Numpad)[0-9]$/.test(event.code) ? event.code.slice(-1) : "";
    const command = keymap.commandOf(low);
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
    if (!lettersAct() && command !== "keys") return false;
    if (desk.openFlags() && FLAG_KEYS.includes(low)) { desk.flag(FLAG_KEYS.indexOf(low)); return true; }
    if (shiftKey && digit) { desk.flag(FLAG_KEYS.indexOf(digit)); return true; }
    if (desk.sure() && /^[1-9]$/.test(low)) { desk.answer(Number(low)); return true; }
    if (low >= "1" && low <= String(max) && low.length === 1) { desk.rate(Number(low)); return true; }
    if (/^[a-i]$/.test(low) && (desk.choosing() ? desk.compareWith : desk.goToLetter)(low.toUpperCase())) return true;
    if (command) { desk.act((shiftKey && SHIFTED[command]) || command); return true; }
    return false;
  }
}

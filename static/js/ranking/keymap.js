/* Which key does which command, and how a person changes it. Kept in this browser, apart for each person.
   Letters A to I are always responses and digits always rate, so commands live on the other signs. */
import { $, $$ } from "../dom.js";
import { t } from "../translate.js";

export const DELIVERED = { undo: "z", flags: "x", skip: "s", report: "r", reason: "n", guide: "m", keys: "?", prompt: "p", wide: "w", order: "o", compare: "v", raw: "t", sure: "u", better: "j" };
/** What Shift makes of a command. */
export const SHIFTED = { undo: "redo", raw: "rawAll" };

const MODIFIERS = ["Shift", "Control", "Alt", "Meta", "AltGraph"];
export const keyName = (key) => (key === key.toLowerCase() && key.toUpperCase().length === 1 ? key.toUpperCase() : key);

/** Why `event` cannot be the key of `command`: a sentence, or "" when it can. `name(command)` says what one is called. */
export function refusal(event, command, map, name) {
  const { key, shiftKey } = event, low = key.toLowerCase();
  if (event.ctrlKey || event.altKey || event.metaKey) return t("Keys with Ctrl, Alt, Windows or Command belong to the browser and to screen readers.");
  if (["CapsLock", "Insert", "NumLock", "ScrollLock"].includes(key)) return t("%(key)s belongs to screen readers.", { key });
  if (["Enter", " ", "Tab", "Backspace", "Delete"].includes(key) || /^(Arrow|Home|End|Page)/.test(key)) return t("Enter, space, deleting, arrows and paging keep what they do.");
  if (/^[a-i]$/.test(low)) return t("A to I are the responses.");
  if (/^[0-9-]$/.test(low)) return t("Digits and the hyphen rate and set flags.");
  if (low === "/" || low === "'") return t("Some browsers open their search with this key.");
  if ([...key].length !== 1) return t("Only a key that writes one sign can be used.");
  if (shiftKey && low !== key) return t("Shift with a letter is kept for a second meaning. Press the letter alone.");
  const other = Object.keys(map).find((each) => each !== command && map[each] === low);
  return other ? t("%(key)s is “%(name)s” already. Change that one first.", { key: keyName(low), name: name(other) }) : "";
}

/** The map of this person; what a kept one may hold that does not fit is left as delivered. */
export function openKeymap(person) {
  const store = `tutelage.keymap.${person}`;
  let map = { ...DELIVERED };
  try {
    for (const [command, key] of Object.entries(JSON.parse(localStorage.getItem(store) || "{}")))
      if (command in DELIVERED && typeof key === "string" && !refusal({ key }, command, map, String)) map[command] = key;
  } catch { /* Unreadable or refused: as delivered. */ }
  const keep = (next) => {
    map = next;
    const own = Object.fromEntries(Object.entries(map).filter(([command, key]) => DELIVERED[command] !== key));
    try { localStorage.setItem(store, JSON.stringify(own)); } catch { /* It then lasts as long as the page. */ }
    label();
  };
  const shown = (key, shift) => (shift ? t("Shift %(key)s", { key: keyName(key) }) : keyName(key));
  /** Every key printed on the page follows. */
  const label = () => { for (const kbd of $$("[data-key]")) kbd.textContent = shown(map[kbd.dataset.key], kbd.dataset.shift); };
  label();
  return {
    all: () => map,
    commandOf: (key) => Object.keys(map).find((command) => map[command] === key),
    change: (command, key) => keep({ ...map, [command]: key.toLowerCase() }),
    reset: () => keep({ ...DELIVERED }),
  };
}

/** The list in the keys dialog: Change waits for one key, wherever the focus stands (some browsers give none to a button
    that is clicked); Escape and Tab leave things as they are. Only the next Escape closes the dialog. */
export function openKeyList(keymap, signal) {
  const dialog = $("#keys"), said = $("#keys-said");
  const name = (command) => $(`[data-command="${command}"]`, dialog)?.dataset.name || command;
  let waiting = null;
  const stop = (sentence = "") => {
    if (waiting) waiting.textContent = t("Change");
    waiting = null;
    said.textContent = sentence;
  };
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("[data-change]");
    if (button && button !== waiting) {
      stop(t("Press the new key for “%(name)s”. Esc leaves it as it is.", { name: name(button.closest("[data-command]").dataset.command) }));
      waiting = button;
      button.textContent = t("Press a key");
    }
    if (event.target.closest("#keys-reset")) { keymap.reset(); stop(t("All keys are as delivered.")); }
  });
  document.addEventListener("keydown", (event) => {
    if (!waiting) return;
    if (event.key === "Tab") return stop();
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") return stop(t("Nothing was changed."));
    if (MODIFIERS.includes(event.key)) return; // what follows decides
    const { command } = waiting.closest("[data-command]").dataset, why = refusal(event, command, keymap.all(), name);
    if (why) { said.textContent = why; return; }
    keymap.change(command, event.key);
    stop(t("“%(name)s” is now on %(key)s.", { name: name(command), key: keyName(event.key.toLowerCase()) }));
  }, { capture: true, signal });
  dialog.addEventListener("keyup", (event) => { if (waiting) event.preventDefault(); }); // space would press the button
  dialog.addEventListener("cancel", (event) => { // asked to close by something else than a key, such as Back on a phone
    if (!waiting) return;
    event.preventDefault();
    stop(t("Nothing was changed."));
  });
  dialog.addEventListener("close", () => stop());
}

/* Whether letters and digits act at once, on every page that listens to them. A screen reader or a voice control may need
   them for itself: then she takes the tick from the list of keys. Kept in this browser. */
import { $ } from "../dom.js";

const STORE = "tutelage.keys";
export const lettersAct = () => localStorage.getItem(STORE) !== "off";

/** The tick in the list of keys of the page. */
export function openTick() {
  const tick = $("#single");
  tick.checked = lettersAct();
  tick.addEventListener("change", () => localStorage.setItem(STORE, tick.checked ? "on" : "off"));
}

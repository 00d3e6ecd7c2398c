/* On every page: dialogs, display choices, local times. */
import { $, $$ } from "./dom.js";

const DEFAULTS = { theme: "auto", face: "serif", size: "normal" };
const STORE = "tutelage.display";

function displayed() {
  try { return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(STORE) || "{}") }; } catch { return { ...DEFAULTS }; }
}

for (const box of $$("[data-display]")) {
  const name = box.dataset.display;
  for (const input of $$("input", box)) input.checked = input.value === displayed()[name];
  box.addEventListener("change", (event) => {
    const chosen = { ...displayed(), [name]: event.target.value };
    document.documentElement.dataset[name] = event.target.value;
    try { localStorage.setItem(STORE, JSON.stringify(chosen)); } catch { /* The choice then lasts as long as the page. */ }
    dispatchEvent(new Event("resize")); // columns settle anew
  });
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]"), closer = event.target.closest("[data-close]");
  if (opener) $("#" + opener.dataset.open).showModal();
  if (closer) closer.closest("dialog").close();
});

/* The server writes UTC; people read their own clock. */
let short, long;
function clocks() { // made when there is a time to show: they take as long to come as all the rest of a page's scripts
  short = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  long = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
}
export function localTimes(root = document) {
  const today = new Date().toDateString();
  for (const time of $$("time[datetime*=T]", root)) { // a day without an hour is the same for everybody
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    if (!short) clocks();
    time.title = at.toISOString();
    time.textContent = at.toDateString() === today ? short.format(at) : long.format(at);
  }
}
localTimes();
document.addEventListener("htmx:afterSwap", (event) => localTimes(event.target));

/* A form that changes something for good asks first. */
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

/* The ranking and writing pages put further addresses into the history, a task each. Back and forward between them, or from
   a page that has been loaded at one of them, change the address alone: the server then shows what is there now. */
let shown = location.pathname;
export const showing = (path) => { shown = path; };
addEventListener("popstate", () => { if (location.pathname !== shown) location.reload(); });

/* "Write a better one" of the ranking page: she says for which response now, and is led there once the ranking is sent. */
import { $, $$, make } from "../dom.js";
import { openDialog } from "../labeling/desk.js";

const store = (assignment) => `tutelage.better.${assignment}`;
const wish = (assignment) => { try { return sessionStorage.getItem(store(assignment)); } catch { return null; } };

/** Where to go after the ranking is stored: to the response that she wants to better, else on. */
export function afterSending(assignment, next) {
  const id = wish(assignment);
  try { sessionStorage.removeItem(store(assignment)); } catch { /* Nothing was kept there. */ }
  return id ? `/completions/${encodeURIComponent(id)}/edit` : next;
}

/** Buttons with data-better, and the key T, choose the current response or take the choice back. */
export function askBetter({ assignment, current, letter }) {
  const buttons = $$("[data-better]");
  if (!buttons.length) return;
  const words = new Map(buttons.map((button) => [button, [...button.childNodes]]));

  function show() {
    const chosen = letter[wish(assignment)];
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(Boolean(chosen)));
      button.replaceChildren(...(chosen ? [`Better ${chosen} after sending `, make("kbd", { textContent: "T" })] : words.get(button)));
    }
  }
  function choose() {
    const id = current();
    try {
      if (!id || wish(assignment) === id) sessionStorage.removeItem(store(assignment));
      else sessionStorage.setItem(store(assignment), id);
    } catch { return; } // the page of a sent ranking offers it too
    show();
  }
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-better]")) return;
    choose();
    $("#more").close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "t" || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.isComposing) return;
    if (openDialog() || event.target.matches("textarea, input:not([type=radio], [type=checkbox])") || !$("#single").checked) return;
    event.preventDefault();
    choose();
  });
  show();
}

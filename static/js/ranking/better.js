/* "Write a better one" of the ranking page: she says for which response now, and is led there once the ranking is sent. */
import { $, $$ } from "../dom.js";
import { t } from "../translate.js";

const store = (assignment) => `tutelage.better.${assignment}`;
const wish = (assignment) => { try { return sessionStorage.getItem(store(assignment)); } catch { return null; } };

/** Where to go after the ranking is stored: to the response that she wants to better, else on. */
export function afterSending(assignment, next) {
  const id = wish(assignment);
  try { sessionStorage.removeItem(store(assignment)); } catch { /* Nothing was kept there. */ }
  return id ? `/completions/${encodeURIComponent(id)}/edit` : next;
}

/** The function that chooses a response, or takes the choice back; the buttons with data-do="better" say which it is. */
export function askBetter({ assignment, letter }) {
  const buttons = $$("[data-do=better]");

  function show() {
    const chosen = letter[wish(assignment)];
    for (const button of buttons) {
      const words = $("span", button) || button;
      button.dataset.words ||= words.textContent;
      words.textContent = chosen ? t("Better %(letter)s after sending", { letter: chosen }) : button.dataset.words;
      button.setAttribute("aria-pressed", String(Boolean(chosen)));
    }
  }
  show();
  return (id) => {
    if (!buttons.length) return;
    try {
      if (wish(assignment) === id) sessionStorage.removeItem(store(assignment));
      else sessionStorage.setItem(store(assignment), id);
    } catch { return; } // the page of a sent ranking offers it too
    show();
  };
}

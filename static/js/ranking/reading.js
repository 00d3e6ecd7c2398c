/* Reading tools: two responses compared word by word, and any text as the model wrote it. They change no ranking. */
import { $, $$, make } from "../dom.js";
import { mark, unmark } from "./compare.js";

/** Which others each response can be compared with: buttons in its menu. */
function offer({ task, el, letter }) {
  for (const id of task.ids) {
    $(".versus-row", el[id]).replaceChildren(...task.ids.filter((other) => other !== id).map((other) => {
      const button = make("button", { className: "btn line", type: "button", textContent: letter[other], dataset: { compare: other } });
      button.setAttribute("aria-label", `Compare ${letter[id]} with ${letter[other]}`);
      return button;
    }));
  }
}

/** `view` as in render.js; `settle()` is called when texts have changed their height; `signal` ends it. */
export function openReading({ task, el, letter }, settle, signal) {
  let pair = [];
  offer({ task, el, letter });
  const say = (text) => { $("#said").textContent = text; };
  const text = (id) => $(el[id].classList.contains("as-raw") ? ".raw" : ".md", el[id]) || $(".text", el[id]);
  const words = (n) => `${n.toLocaleString("en")} ${n === 1 ? "word" : "words"}`;

  function note(id, sentence) {
    const end = sentence && make("button", { className: "chip", type: "button", textContent: sentence, dataset: { do: "compare" } });
    end?.setAttribute?.("aria-label", `${sentence}. End the comparison`);
    $(".versus", el[id]).replaceChildren(...(end ? [end] : []));
  }

  async function compare(one, other, aloud = true) {
    pair = [one, other];
    document.body.classList.add("comparing");
    for (const id of task.ids) el[id].classList.toggle("compared", pair.includes(id));
    let only = null;
    try { only = await mark(text(one), text(other)); } catch { end("Comparing could not be loaded. It needs the connection once."); return; }
    if (pair[0] !== one || pair[1] !== other) return unmark(); // ended meanwhile
    if (!only) return end("This browser is too old to mark the words that differ.");
    note(one, `${words(only[0])} not in ${letter[other]}`);
    note(other, `${words(only[1])} not in ${letter[one]}`);
    settle();
    if (aloud) say(`${letter[one]} and ${letter[other]} compared: ${words(only[0])} only in ${letter[one]}, ${words(only[1])} only in ${letter[other]}.`);
  }

  function end(why = "Comparison ended.") {
    if (!pair.length) return;
    unmark();
    document.body.classList.remove("comparing");
    for (const id of task.ids) { el[id].classList.remove("compared"); note(id, ""); }
    pair = [];
    settle();
    say(why);
  }

  function raw(ids, on) {
    for (const id of ids) {
      el[id].classList.toggle("as-raw", on);
      for (const button of $$("[data-do=raw]", el[id])) button.setAttribute("aria-pressed", on);
    }
    const every = all.every((id) => el[id].classList.contains("as-raw"));
    for (const button of $$("[data-do=rawAll]")) button.setAttribute("aria-pressed", every);
    settle();
    if (pair.length) compare(...pair, false);
  }
  const name = (id) => letter[id] || "Prompt", all = ["P", ...task.ids];

  // A column that moves takes its text nodes out of their ranges.
  const columns = new MutationObserver(() => { if (pair.length) compare(...pair, false); });
  columns.observe($("#responses"), { childList: true });
  signal.addEventListener("abort", () => { columns.disconnect(); unmark(); pair = []; });

  return {
    pair: () => pair, compare, end, say,
    toggleRaw(id) {
      const on = !el[id].classList.contains("as-raw");
      raw([id], on);
      say(`${name(id)} ${on ? "as raw text" : "as formatted text"}.`);
    },
    toggleAll() {
      const on = !all.every((id) => el[id].classList.contains("as-raw"));
      raw(all, on);
      say(on ? "All as raw text." : "All as formatted text.");
    },
  };
}

/* Reading tools: two responses compared word by word, and any text as the model wrote it. They change no ranking. */
import { $, $$, make } from "../dom.js";
import { number, t, tn } from "../translate.js";
import { mark, unmark } from "./compare.js";

/** Which others each response can be compared with: buttons in its menu. */
function offer({ task, el, letter }) {
  for (const id of task.ids) {
    $(".versus-row", el[id]).replaceChildren(...task.ids.filter((other) => other !== id).map((other) => {
      const button = make("button", { className: "btn line", type: "button", textContent: letter[other], dataset: { compare: other } });
      button.setAttribute("aria-label", t("Compare %(one)s with %(other)s", { one: letter[id], other: letter[other] }));
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
  const lacking = (n, id) => tn("%(shown)s word not in %(letter)s", "%(shown)s words not in %(letter)s", n, { shown: number(n), letter: letter[id] });
  const alone = (n, id) => tn("%(shown)s word only in %(letter)s", "%(shown)s words only in %(letter)s", n, { shown: number(n), letter: letter[id] });

  function note(id, sentence) {
    const end = sentence && make("button", { className: "chip", type: "button", textContent: sentence, dataset: { do: "compare" } });
    end?.setAttribute?.("aria-label", t("%(what)s. End the comparison", { what: sentence }));
    $(".versus", el[id]).replaceChildren(...(end ? [end] : []));
  }

  async function compare(one, other, aloud = true) {
    pair = [one, other];
    document.body.classList.add("comparing");
    for (const id of task.ids) el[id].classList.toggle("compared", pair.includes(id));
    let only = null;
    try { only = await mark(text(one), text(other)); } catch { end(t("Comparing could not be loaded. It needs the connection once.")); return; }
    if (pair[0] !== one || pair[1] !== other) return unmark(); // ended meanwhile
    if (!only) return end(t("This browser is too old to mark the words that differ."));
    note(one, lacking(only[0], other));
    note(other, lacking(only[1], one));
    settle();
    if (aloud) say(t("%(one)s and %(other)s compared: %(first)s, %(second)s.", { one: letter[one], other: letter[other], first: alone(only[0], one), second: alone(only[1], other) }));
  }

  function end(why = t("Comparison ended.")) {
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
  const name = (id) => letter[id] || t("Prompt"), all = ["P", ...task.ids];

  // A column that moves takes its text nodes out of their ranges.
  const columns = new MutationObserver(() => { if (pair.length) compare(...pair, false); });
  columns.observe($("#responses"), { childList: true });
  signal.addEventListener("abort", () => { columns.disconnect(); unmark(); pair = []; });

  return {
    pair: () => pair, compare, end, say,
    toggleRaw(id) {
      const on = !el[id].classList.contains("as-raw");
      raw([id], on);
      say(on ? t("%(what)s as raw text.", { what: name(id) }) : t("%(what)s as formatted text.", { what: name(id) }));
    },
    toggleAll() {
      const on = !all.every((id) => el[id].classList.contains("as-raw"));
      raw(all, on);
      say(on ? t("All as raw text.") : t("All as formatted text."));
    },
  };
}

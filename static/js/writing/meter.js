/* How long the text is: words at once, tokens and what is noticed about it from the server, when she pauses. */
import { $, make } from "../dom.js";
import { number, t, tn, weave } from "../translate.js";
import { tell } from "./rows.js";
import { countWords, wordLimit } from "./text.js";

const WAIT = 900;

export class Meter {
  /** `read()` gives {answers, text, body}: her answers, all that she wrote, and the label as it would be sent. */
  constructor({ project, assignment, prompt, read, signal }) {
    Object.assign(this, { project, assignment, read });
    this.limit = wordLimit(prompt);
    this.asked = 0;
    signal?.addEventListener("abort", () => { clearTimeout(this.timer); this.asked++; });
  }

  count() {
    const { answers } = this.read(), text = answers.join("\n"), words = countWords(text), bar = $("#length progress"), { limit } = this;
    $("#length").classList.toggle("over", Boolean(limit) && words > limit);
    bar.hidden = !limit;
    if (limit) Object.assign(bar, { max: limit, value: Math.min(words, limit) });
    const said = limit ? t("%(words)s of at most %(limit)s words, as the prompt asks", { limit: number(limit) })
      : tn("%(words)s word, %(characters)s characters", "%(words)s words, %(characters)s characters", words, { characters: number(text.length) });
    $("#words").replaceChildren(...weave(said, { words: make("b", { textContent: number(words) }) }));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), WAIT);
  }

  /** Late answers to an earlier state are dropped; without the server the last ones stay. */
  async ask() {
    const turn = ++this.asked, { text, body } = this.read();
    const [tokens, noticed] = await Promise.all([
      post(`/projects/${this.project}/tokens`, { text, assignment_id: Number(this.assignment) }),
      post(`/assignments/${this.assignment}/warnings`, body),
    ]);
    if (turn !== this.asked) return;
    if (tokens) this.showTokens(tokens);
    if (noticed) tell($("#told"), noticed.warnings);
  }

  showTokens({ tokens, prompt_tokens: before, limit, reason }) {
    const line = $("#tokens"), all = tokens + before, over = tokens !== null && all > limit;
    line.classList.toggle("over", over);
    line.textContent = tokens === null ? reason
      : over ? t("%(all)s of %(limit)s tokens with the prompt: training leaves it out", { all: number(all), limit: number(limit) })
        : t("%(all)s of %(limit)s tokens with the prompt", { all: number(all), limit: number(limit) });
  }
}

async function post(url, body) {
  try {
    const answer = await fetch(url, {
      method: "POST", body: JSON.stringify(body), redirect: "manual", headers: { "Content-Type": "application/json", Accept: "application/json" },
    });
    return answer.ok ? await answer.json() : null;
  } catch { return null; }
}

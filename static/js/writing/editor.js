/* The sheet: the answer, the rounds of a chat, the sources, what came by paste, and how it will be read. */
import { $, $$, make } from "../dom.js";
import { t, weave } from "../translate.js";
import { PasteWatch } from "./paste.js";
import { Rows, grow } from "./rows.js";

const MOST_ROUNDS = 50, MOST_SOURCES = 10;

export class Editor {
  /** `changed()` is called after every change, `say(...parts)` shows a line to her. */
  constructor({ changed, say }) {
    Object.assign(this, { changed, say });
    this.answer = $("#answer");
    this.read = $("#read");
    this.views = $$("[name=view]");
    this.watch = new PasteWatch();
    for (const fold of $$(".fold-in")) fold.remove(); // for pages without scripts
    const after = () => { this.settle(); this.changed(); };
    const removed = (row) => { for (const field of $$("textarea", row)) this.watch.forget(field); };
    this.rounds = new Rows({ box: $("#rounds"), sheet: $("#round-sheet"), prefix: "turn", most: MOST_ROUNDS, changed: after, removed });
    this.sources = new Rows({ box: $("#sources"), sheet: $("#source-sheet"), prefix: "source", most: MOST_SOURCES, changed: after });
    this.lastRows = null; // whose row was removed last
    this.listen();
    this.settle();
  }

  texts() { return [this.answer, ...this.rounds.all().flatMap((row) => this.rounds.fields(row))]; }

  /** Every text field is watched and as high as its text. */
  settle() {
    for (const field of this.texts()) {
      if (!this.watch.fields.has(field)) this.watch.add(field);
      grow(field);
    }
  }

  listen() {
    const sheet = $("#sheet");
    sheet.addEventListener("input", (event) => {
      if (event.target.matches("textarea")) { this.watch.input(event.target, event.inputType); grow(event.target); }
      this.changed();
    });
    for (const kind of ["copy", "cut"]) sheet.addEventListener(kind, (event) => { if (event.target.matches("textarea")) this.watch.copied(event.target); }, true);
    sheet.addEventListener("click", (event) => {
      const hit = event.target.closest("[data-take]");
      if (hit) this.remove(hit.dataset.take === "round" ? this.rounds : this.sources, hit.closest("[data-round], [data-source]"));
    });
    // A click on the empty part of the sheet is meant for the text.
    sheet.addEventListener("pointerdown", (event) => { if (event.target === sheet) { event.preventDefault(); (this.texts().at(-1)).focus(); } });
    for (const input of this.views) input.addEventListener("change", () => this.view(input.value));
  }

  /** Before anything is added: the sheet may be hidden behind "Read as sent". */
  open() { if (!this.read.hidden) this.view("write"); }

  addRound() {
    this.open();
    const row = this.rounds.add();
    if (!row) return;
    this.settle();
    this.changed();
    $("textarea", row).focus();
    row.scrollIntoView({ block: "nearest" });
  }

  addSource() {
    this.open();
    const blank = this.sources.all().find((row) => !$("input", row).value.trim());
    const row = blank || this.sources.add();
    if (!row) return this.say(t("Ten sources are the most."));
    $("input", row).focus();
    row.scrollIntoView({ block: "nearest" });
  }

  remove(rows, row) {
    const back = rows.remove(row);
    if (back === null && !rows.gone.length) return;
    this.lastRows = rows;
    (back ? $$("textarea, input", back).at(-1) : this.answer).focus();
    const said = rows === this.rounds ? t("That round is removed. %(key)s brings it back.") : t("That source is removed. %(key)s brings it back.");
    this.say(...weave(said, { key: make("kbd", { textContent: "Alt Z" }) }));
  }

  removeRound() {
    if (this.rounds.all().length) this.remove(this.rounds, document.activeElement?.closest("[data-round]") || undefined);
  }

  undo() {
    this.open();
    const row = this.lastRows?.restore() || this.rounds.restore() || this.sources.restore();
    if (!row) return;
    this.settle();
    this.changed();
    this.say(t("It is back."));
    $("textarea, input", row).focus();
  }

  /** "Read as sent" is rendered by the server, by the same code that shows the text to others. */
  async view(which) {
    for (const input of this.views) input.checked = input.value === which;
    if (which === "read") {
      const turns = this.turns(), parts = await Promise.all([this.answer.value, ...turns.map((turn) => turn.content)].map(preview));
      this.read.replaceChildren(...parts.flatMap((part, index) => {
        const who = turns.length ? [make("b", { className: "who", textContent: index % 2 ? t("User") : t("Assistant") })] : [];
        return [...who, part];
      }));
    }
    this.read.hidden = which !== "read";
    $("#sheet").hidden = which === "read";
    (which === "read" ? this.read : this.answer).focus();
  }

  /** The further turns; rounds with nothing in them are left out. */
  turns() {
    return this.rounds.list().filter((one) => one.user.trim() || one.assistant.trim())
      .flatMap((one) => [{ role: "user", content: one.user }, { role: "assistant", content: one.assistant }]);
  }

  label() {
    const sources = this.sources.list().filter((one) => one.url.trim() || one.note.trim()), turns = this.turns();
    return { text: this.answer.value, turns: turns.length ? turns : null, sources, pasted_share: this.watch.share() };
  }

  /** All that she wrote, for counting; and her answers alone. */
  written() {
    const turns = this.turns();
    return { answers: [this.answer.value, ...turns.filter((turn) => turn.role === "assistant").map((turn) => turn.content)], text: [this.answer.value, ...turns.map((turn) => turn.content)].join("\n"), body: this.label() };
  }

  draft(page) {
    const rounds = this.rounds.list();
    const turns = rounds.flatMap((one) => [{ role: "user", content: one.user }, { role: "assistant", content: one.assistant }]);
    return { ...this.label(), turns: turns.length ? turns : null, sources: this.sources.list(), page: { ...page, paste: this.texts().map((field) => this.watch.runs(field)) } };
  }

  restore(draft) {
    this.answer.value = typeof draft.text === "string" ? draft.text : "";
    const turns = Array.isArray(draft.turns) ? draft.turns : [], rounds = [];
    for (let at = 0; at < turns.length; at += 2) rounds.push({ user: String(turns[at]?.content || ""), assistant: String(turns[at + 1]?.content || "") });
    if (this.rounds.box) this.rounds.set(rounds);
    if (Array.isArray(draft.sources)) this.sources.set(draft.sources.map((one) => ({ url: String(one?.url || ""), note: String(one?.note || "") })));
    this.watch.fields.clear();
    this.texts().forEach((field, index) => this.watch.add(field, draft.page?.paste?.[index]));
    this.settle();
  }
}

async function preview(text) {
  const block = make("div", { className: "md", dir: "auto" });
  try {
    const reply = await fetch("/preview", { method: "POST", body: new URLSearchParams({ text }), redirect: "manual" });
    if (!reply.ok) throw new Error();
    block.innerHTML = await reply.text(); // sanitised by the server
  } catch { block.replaceChildren(make("p", { textContent: t("The preview needs the server, which does not answer just now. Your text is kept.") })); }
  return block;
}

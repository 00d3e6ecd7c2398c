/* Rows that can be added, removed and brought back: the rounds of a chat, the sources. */
import { $, $$, make } from "../dom.js";
import { t } from "../translate.js";

export class Rows {
  /** `box` holds the rows, `sheet` is the template of one; `changed()` after every change, `removed(row)` before one goes. */
  constructor({ box, sheet, prefix, most, changed, removed = () => {} }) {
    Object.assign(this, { box, sheet, prefix, most, changed, removed });
    this.gone = [];
  }

  all() { return this.box ? [...this.box.children] : []; }
  fields(row) { return $$("textarea, input", row); }
  values(row) { return Object.fromEntries(this.fields(row).map((field) => [field.name.split(".").pop(), field.value])); }
  list() { return this.all().map((row) => this.values(row)); }

  add(values = {}, at = this.all().length) {
    if (!this.box || this.all().length >= this.most) return null;
    const row = this.sheet.content.firstElementChild.cloneNode(true);
    for (const field of this.fields(row)) field.value = values[field.name.split(".").pop()] || "";
    this.box.insertBefore(row, this.all()[at] || null);
    this.number();
    return row;
  }

  /** Take a row away; it can be brought back. Returns where the focus should go, or null where there was none. */
  remove(row = this.all().at(-1)) {
    if (!row) return null;
    const at = this.all().indexOf(row);
    this.gone.push({ at, values: this.values(row) });
    this.removed(row);
    row.remove();
    this.number();
    this.changed();
    return this.all()[Math.max(0, at - 1)] || null;
  }

  /** Put back what was removed last. */
  restore() {
    const last = this.gone.pop();
    return last ? this.add(last.values, last.at) : null;
  }

  set(list) {
    for (const row of this.all()) row.remove();
    for (const values of list) this.add(values);
  }

  /** Names, ids and legends follow the order. */
  number() {
    this.all().forEach((row, index) => {
      for (const field of this.fields(row)) {
        const part = field.name.split(".").pop(), label = $(`label[for="${field.id}"]`, row);
        field.id = `${this.prefix}-${index + 1}-${part}`;
        field.name = `${this.prefix}.${index + 1}.${part}`;
        if (label) label.htmlFor = field.id;
        if (label && this.prefix === "source") label.textContent = label.textContent.replace(/\d+/, String(index + 1));
      }
      $("legend", row)?.replaceChildren(t("Round %(number)s", { number: index + 2 }));
    });
  }
}

/** Text fields grow with their text where the browser does not let them by itself. */
export function grow(field) {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}

/** One line for each thing noticed; the same list is left alone, so that it is not read out again. */
export function tell(list, warnings) {
  const keys = warnings.map((warned) => warned.text).join("\n");
  if (list.dataset.says === keys) return;
  list.dataset.says = keys;
  list.replaceChildren(...warnings.map((warned) => make("li", { textContent: warned.text, dataset: { key: warned.key } })));
}

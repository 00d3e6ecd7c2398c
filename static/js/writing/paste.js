/* Which characters of a text came by paste. One mark a character: "p" pasted, "t" typed. Pure functions. */

export const typed = (text) => "t".repeat(text.length);

/** The marks after `before` became `after`; what was put in gets `mark`, or marks of its own when they fit. */
export function changed(marks, before, after, mark = "t") {
  const most = Math.min(before.length, after.length);
  let start = 0, end = 0;
  while (start < most && before[start] === after[start]) start++;
  while (end < most - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  const size = after.length - end - start;
  const put = mark.length > 1 && mark.length === size ? mark : mark[0].repeat(size);
  return marks.slice(0, start) + put + marks.slice(marks.length - end);
}

/** What was put in to make `after` of `before`. */
export function inserted(before, after) {
  const most = Math.min(before.length, after.length);
  let start = 0, end = 0;
  while (start < most && before[start] === after[start]) start++;
  while (end < most - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  return after.slice(start, after.length - end);
}

/** The share of pasted characters over several texts; 0 where there are none. */
export function share(all) {
  const marks = all.join("");
  return marks ? marks.replaceAll("t", "").length / marks.length : 0;
}

/** For a draft: the lengths of the runs, typed first. */
export function pack(marks) {
  const runs = [];
  let mark = "t", at = 0;
  while (at < marks.length) {
    let end = at;
    while (end < marks.length && marks[end] === mark) end++;
    runs.push(end - at);
    mark = mark === "t" ? "p" : "t";
    at = end;
  }
  return runs;
}

export function unpack(runs, text) {
  if (!Array.isArray(runs) || runs.some((n) => !Number.isInteger(n) || n < 0)) return typed(text);
  const marks = runs.map((n, i) => (i % 2 ? "p" : "t").repeat(Math.min(n, text.length + 1))).join("");
  return marks.length === text.length ? marks : typed(text);
}

const PASTES = ["insertFromPaste", "insertFromDrop", "insertFromYank", "insertFromPasteAsQuotation"];

/** Watches text fields. What she copies out of her own text keeps its marks when she pastes it again. */
export class PasteWatch {
  constructor() {
    this.fields = new Map(); // field -> {text, marks}
    this.own = null; // what she copied last out of her own text
    this.seen = []; // what was pasted, so that undo and redo bring it back as pasted
  }

  /** Begin with what stands in the field. */
  add(field, runs = null) {
    this.fields.set(field, { text: field.value, marks: unpack(runs, field.value) });
  }

  forget(field) { this.fields.delete(field); }
  runs(field) { return pack(this.fields.get(field)?.marks || ""); }
  share() { return share([...this.fields.values()].map((each) => each.marks)); }

  copied(field) {
    const known = this.fields.get(field), { selectionStart: from, selectionEnd: to } = field;
    this.own = known && to > from ? { text: field.value.slice(from, to), marks: known.marks.slice(from, to) } : null;
  }

  input(field, kind) {
    const known = this.fields.get(field);
    if (!known || known.text === field.value) return;
    const put = inserted(known.text, field.value);
    let mark = "t";
    if (PASTES.includes(kind)) {
      const own = this.own?.text === put;
      mark = own ? this.own.marks : "p";
      if (!own) this.seen = [put, ...this.seen].slice(0, 50);
    } else if (kind?.startsWith("history") && put.length > 7 && this.seen.some((text) => text.includes(put) || put.includes(text))) mark = "p";
    this.fields.set(field, { text: field.value, marks: changed(known.marks, known.text, field.value, mark) });
  }
}

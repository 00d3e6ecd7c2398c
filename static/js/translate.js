/* What modules say, in the language of the page. English needs no catalog: the message is its own key. */
const data = document.getElementById("messages");
const messages = data ? JSON.parse(data.textContent) : {};
const language = document.documentElement.lang || "en";
const rules = new Intl.PluralRules(language), figures = new Intl.NumberFormat(language, { maximumFractionDigits: 20 });
const forms = rules.resolvedOptions().pluralCategories;

const fill = (text, values) => text.replace(/%\((\w+)\)s/g, (whole, name) => (name in values ? String(values[name]) : whole));

/** The message in the reader's language; `%(name)s` in it is replaced by `values.name`. */
export function t(message, values = {}) {
  return fill(messages[message] || message, values);
}

/** A number as the reader writes it: 12,940 or 12.940. (app/figures.py does the same on the server.) */
export const number = (value) => figures.format(value);

/** A translated text with elements in the place of their names: `weave(t("%(key)s brings it back."), { key: element })`. */
export function weave(text, elements) {
  return text.split(/%\((\w+)\)s/).map((part, index) => (index % 2 ? elements[part] : part));
}

/** The form that fits `count`, which may stand in it as `%(count)s`. */
export function tn(one, many, count, values = {}) {
  const said = messages[one];
  const text = said ? said[forms.indexOf(rules.select(count))] ?? said.at(-1) : count === 1 ? one : many;
  return fill(text, { count, ...values });
}

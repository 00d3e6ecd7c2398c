/* Writing a prompt: the form is the page; this keeps what is written, shows pairs as they are wanted, and counts. */
import { $, $$ } from "../dom.js";
import { DraftKeeper } from "../labeling/draft.js";
import { number, t, tn } from "../translate.js";
import { grow } from "../writing/rows.js";
import { countWords } from "../writing/text.js";

const form = $("#prompt-form"), pairs = $$(".pair"), { place, at, savedAt } = form.dataset;
const keeper = new DraftKeeper({ assignment: place, at, savedAt, report: mark, held: () => {} });
const SAYS = { saved: t("Saved"), saving: t("Saving"), offline: t("Kept in this browser"), "signed-out": t("Signed out: kept in this browser"), gone: t("Kept in this browser") };
const written = () => $$("textarea, select, [name=use_case]:checked", form);
const blank = (pair) => $$("textarea", pair).every((field) => !field.value.trim());

function values() { return Object.fromEntries(written().map((field) => [field.name, field.value])); }

function restore(kept) {
  for (const [name, value] of Object.entries(kept)) {
    if (name === "use_case") for (const radio of $$("[name=use_case]", form)) radio.checked = radio.value === value;
    else if (form.elements[name]) form.elements[name].value = value;
  }
  for (const pair of pairs) if (!blank(pair)) pair.classList.remove("spare");
}

function count() {
  for (const field of $$("textarea", form)) grow(field);
  const full = pairs.filter((pair) => $$("textarea", pair).every((field) => field.value.trim())).length;
  if (pairs.length) {
    $("#pair-count").textContent = full < 2 ? t("Two pairs at least.") : t("%(count)s pairs make %(count)s examples.", { count: full });
    $("#add-pair").disabled = !$(".pair.spare");
  } else {
    const words = countWords($("#text").value);
    $("#text-count").textContent = words ? tn("%(shown)s word", "%(shown)s words", words, { shown: number(words) }) : "";
  }
}

function addPair() {
  const next = $(".pair.spare");
  if (!next) return;
  next.classList.remove("spare");
  count();
  $("textarea", next).focus();
}

function mark(status) { $("#kept").textContent = SAYS[status]; }

/** What she had begun, here or in another browser; not where the server shows what it has just refused or stored. */
function begun() {
  if (form.dataset.stored) return keeper.forget();
  return form.dataset.refused ? null : keeper.unconfirmed() || JSON.parse(form.dataset.draft || "null");
}

const kept = begun();
if (kept) { restore(kept); $("#kept").textContent = t("As you left it."); }

form.addEventListener("input", () => { count(); keeper.change(values()); });
form.addEventListener("submit", (event) => {
  if (form.dataset.sending) event.preventDefault();
  form.dataset.sending = "yes";
  keeper.pause();
});
addEventListener("pageshow", (event) => { // come back to by the back button
  delete form.dataset.sending;
  if (event.persisted) keeper.resume();
});
$("#add-pair")?.addEventListener("click", addPair);
document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat) { event.preventDefault(); form.requestSubmit(); }
  if (event.altKey && event.code === "KeyT" && pairs.length) { event.preventDefault(); addPair(); }
});

count();
document.body.dataset.ready = "yes";

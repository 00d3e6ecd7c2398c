/* Writing a prompt: the form is the page; this keeps it in the browser, shows pairs as they are wanted, and counts. */
import { $, $$ } from "../dom.js";
import { t, tn } from "../translate.js";
import { BrowserKeeper } from "../writing/keep.js";
import { grow } from "../writing/rows.js";
import { countWords } from "../writing/text.js";

const form = $("#prompt-form"), keeper = new BrowserKeeper(form.dataset.kept), pairs = $$(".pair");
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
    $("#text-count").textContent = words ? tn("%(shown)s word", "%(shown)s words", words, { shown: words.toLocaleString("en") }) : "";
  }
}

function addPair() {
  const next = $(".pair.spare");
  if (!next) return;
  next.classList.remove("spare");
  count();
  $("textarea", next).focus();
}

if (form.dataset.stored) keeper.forget();
else if (!form.dataset.refused && keeper.kept()) { restore(keeper.kept()); $("#kept").textContent = t("As you left it."); }

form.addEventListener("input", () => {
  count();
  $("#kept").textContent = keeper.keep(values()) ? t("Kept in this browser") : "";
});
form.addEventListener("submit", (event) => {
  if (form.dataset.sending) event.preventDefault();
  form.dataset.sending = "yes";
});
addEventListener("pageshow", () => { delete form.dataset.sending; }); // come back to by the back button
$("#add-pair")?.addEventListener("click", addPair);
document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat) { event.preventDefault(); form.requestSubmit(); }
  if (event.altKey && event.code === "KeyT" && pairs.length) { event.preventDefault(); addPair(); }
});

count();
document.body.dataset.ready = "yes";

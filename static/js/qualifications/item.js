/* One item of a qualification, and the rating of a demonstration: keys, and drafts kept on the server. The form works alone. */
import { $, $$ } from "../dom.js";
import { DraftKeeper } from "../labeling/draft.js";
import { lettersAct } from "../labeling/letters.js";
import { t } from "../translate.js";

const form = $("#item"), kind = form?.dataset.kind, go = $("#go"), save = $("#save");
const FLAG_KEYS = "1234567890-";
const TEXT = { saving: t("Saving"), saved: t("Saved"), offline: t("Offline, kept here"), "signed-out": t("Signed out, kept here"), gone: t("Kept in this browser") };

function said() {
  if (kind === "flags") return { flags: $$("[name=flag]:checked", form).map((box) => box.value) };
  if (kind === "ranking") return { places: $$(".column", form).map((column) => Number($(":checked", column)?.value) || null) };
  return { text: $("textarea", form).value };
}

function restore(draft) {
  if (kind === "flags" && Array.isArray(draft.flags)) for (const box of $$("[name=flag]", form)) box.checked = draft.flags.includes(box.value);
  if (kind === "ranking" && Array.isArray(draft.places)) $$(".column", form).forEach((column, at) => { for (const radio of $$("input", column)) radio.checked = Number(radio.value) === draft.places[at]; });
  if (kind === "demonstration" && typeof draft.text === "string") $("textarea", form).value = draft.text;
}

if (form && !form.dataset.still) {
  const report = (status) => { save.dataset.is = { "signed-out": "lost", gone: "lost" }[status] || status; save.textContent = TEXT[status] || ""; };
  const keeper = new DraftKeeper({ assignment: form.dataset.at, at: form.dataset.at, savedAt: form.dataset.savedAt, held() {}, report, signal: new AbortController().signal }); // the page ends it, nothing else
  const lost = keeper.unconfirmed();
  if (lost && !$(".message.bad")) { restore(lost); keeper.change(said()); }
  form.addEventListener("input", () => keeper.change(said()));
  form.addEventListener("submit", (event) => {
    if (form.dataset.sending) event.preventDefault();
    form.dataset.sending = "yes";
    keeper.pause(); // the answer itself is on its way
  });
  addEventListener("pageshow", (event) => { delete form.dataset.sending; if (event.persisted) keeper.resume(); });
}

/** The column that a digit speaks of: where the focus is, else the first without a place. */
function column() {
  return document.activeElement?.closest(".column") || $$(".column", form).find((each) => !$(":checked", each)) || null;
}

function place(digit) {
  const here = column(), radio = here && $(`input[value="${digit}"]`, here);
  if (!radio) return false;
  radio.checked = true;
  radio.dispatchEvent(new Event("input", { bubbles: true }));
  const next = $$(".column", form).find((each) => !$(":checked", each));
  (next ? $("input", next) : go).focus();
  return true;
}

function press(key) {
  if (kind === "flags" && FLAG_KEYS.includes(key)) {
    const box = $$("[name=flag]", form)[FLAG_KEYS.indexOf(key)];
    box?.click();
    box?.focus();
    return Boolean(box);
  }
  if (kind === "rating") {
    const radio = $(`[name=rating][value="${key}"]`, form);
    radio?.click();
    radio?.focus();
    return Boolean(radio);
  }
  if (kind !== "ranking") return false;
  if (/^[1-9]$/.test(key)) return place(key);
  const named = $(`.column[data-letter="${key.toUpperCase()}"]`, form);
  named?.scrollIntoView({ block: "nearest", inline: "nearest" });
  (named && ($(":checked", named) || $("input", named)))?.focus();
  return Boolean(named);
}

document.addEventListener("keydown", (event) => {
  if (!form || event.isComposing || $("dialog[open]")) return;
  const typing = event.target.matches("textarea, input:not([type=radio], [type=checkbox])");
  if (event.key === "Enter" && !event.repeat) {
    const free = !typing && !event.target.closest("a, button, summary");
    if (event.ctrlKey || event.metaKey || (free && !event.altKey && !event.shiftKey)) {
      event.preventDefault();
      go?.click();
    }
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1 || !lettersAct()) return;
  if (!$(".why, .compared") || kind === "rating") if (press(event.key)) event.preventDefault();
});
document.body.dataset.ready = "yes";

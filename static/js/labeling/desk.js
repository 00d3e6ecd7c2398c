/* What ranking and writing share: the save mark, the notice line, the drawer, the skip and report dialogs. */
import { $, $$, make } from "../dom.js";
import { DraftKeeper } from "./draft.js";
import { Lease } from "./lease.js";
import { t } from "../translate.js";

const NO_LEASE = { until() {}, renew() {}, stop() {} };

/** `task.signal` ends it: the task was sent and the next one takes its place. */
export function openDesk(task) {
  const desk = { task, savedAt: task.savedAt ? new Date(task.savedAt) : null, is: task.savedAt ? "saved" : "none" };

  desk.keeper = new DraftKeeper({ assignment: task.assignment, at: task.at, savedAt: task.savedAt, signal: task.signal, held: (until) => desk.lease.until(until), report: (status) => {
    if (status === "saved") { desk.savedAt = new Date(); if (["offline", "signed-out"].includes(desk.told)) notice(); }
    if (status === "offline") notice("offline", t("No connection."), t("Go on as usual. Everything is kept in this browser and will be sent when the connection is back."));
    if (status === "signed-out") notice("signed-out", t("You are signed out."), t("Your work is kept in this browser. Sign in again in another tab; it is then saved by itself."), link("/sign-in", t("Sign in")));
    if (status === "gone") notice("gone", t("This task is not open any more."), t("What you did last stays in this browser."), next());
    desk.is = { "signed-out": "lost", gone: "lost" }[status] || status;
    clock();
  } });

  const editing = !task.expiresAt; // a label that is sent already: its slot is hers, no lease runs
  desk.lease = editing ? NO_LEASE : new Lease({ assignment: task.assignment, expiresAt: task.expiresAt,
    ended: (when) => notice("expired", t("Your hold on this task ended at %(time)s.", { time: time(when) }), t("All of your work is kept."), button(t("Take it back and go on"), () => desk.lease.renew())),
    held: () => { if (desk.told === "expired") notice(); },
    lost: (why) => notice("overtaken", why, "", next()) });

  /** One line above the page; no arguments take it away. */
  function notice(kind = "", title = "", text = "", action = null) {
    const line = $("#notice");
    if (desk.told === kind && kind) return;
    desk.told = kind;
    line.hidden = !kind;
    line.classList.toggle("told", kind === "told");
    line.replaceChildren(...(kind ? [make("b", { textContent: title }), make("span", { textContent: text }), ...(action ? [action] : [])] : []));
  }
  const time = (at) => at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const button = (text, act) => { const b = make("button", { className: "btn line", type: "button", textContent: text }); b.addEventListener("click", act); return b; };
  const link = (href, text) => make("a", { className: "btn line", href, target: "_blank", textContent: text });
  const next = () => editing ? make("a", { className: "btn line", href: task.nextUrl, textContent: t("Back to the label") }) : make("form", { method: "post", action: task.nextUrl }, make("button", { className: "btn line", textContent: t("Next task") }));

  /* A report leaves her where she is. */
  $("#report form")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { target: form, submitter } = event, body = new URLSearchParams({ reason: submitter.value, note: form.elements.note.value });
    let answer = null;
    try { answer = await fetch(form.action, { method: "POST", body }); } catch { /* No connection. */ }
    const kept = Boolean(answer?.ok && answer.url.includes("reported="));
    if (kept) form.reset();
    $("#report").close();
    notice();
    if (kept) notice("told", t("Reported."), t("An admin reads it. Go on with the task, or skip it."));
    else notice("unreported", t("Not reported."), answer ? t("The server did not take it. Try again, or skip the task.") : t("There is no connection. Try again when it is back."));
  });

  function clock() {
    const mark = $("#save"), age = desk.savedAt ? Math.round((Date.now() - desk.savedAt) / 1000) : 0;
    const is = desk.is === "saved" && !navigator.onLine ? "offline" : desk.is;
    const text = { none: t("Not begun"), saving: t("Saving"), offline: t("Offline, kept here"), lost: t("Kept in this browser") }[is]
      || (age < 2 ? t("Saved") : age < 60 ? t("Saved %(seconds)s s ago", { seconds: age }) : age < 3600 ? t("Saved %(minutes)s min ago", { minutes: Math.floor(age / 60) }) : t("Saved"));
    if (mark.dataset.is !== is) mark.dataset.is = is;
    if (mark.textContent !== text) mark.textContent = text;
  }
  for (const kind of ["online", "offline"]) addEventListener(kind, clock, { signal: task.signal });
  const ticking = setInterval(clock, 1000);
  task.signal?.addEventListener("abort", () => { clearInterval(ticking); desk.lease.stop(); });
  clock();
  return Object.assign(desk, { notice, clock, next, link });
}

export const toggle = (id) => { const e = $("#" + id); e.hidden = !e.hidden; return !e.hidden; };
export const openDialog = () => $("dialog[open]");

/* "Something else" wants words: the first press leads to them. */
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-needs-note]"), note = button?.form.elements.note;
  if (!note || note.value.trim()) return;
  event.preventDefault();
  note.required = true;
  note.focus();
});

/** In a list of causes the digit picks the row. Returns true when the key was used. */
export function pickByDigit(dialog, key, event) {
  if (event?.target.matches("textarea, select, input:not([type=radio], [type=checkbox])")) return false; // it is being typed
  const row = dialog.classList.contains("picker") && $$(".pick .btn", dialog)[Number(key) - 1];
  if (row) row.click();
  return Boolean(row);
}

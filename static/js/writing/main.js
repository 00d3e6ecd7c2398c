/* The writing page: one text, kept as it grows, sent once. */
import { $, $$, make } from "../dom.js";
import { openDesk, openDialog, pickByDigit, toggle } from "../labeling/desk.js";
import { activeSeconds, resumeSeconds } from "../labeling/lease.js";
import { send } from "../labeling/send.js";
import { countWords, wordLimit } from "./text.js";

const root = $("#task").dataset, answer = $("#answer"), read = $("#read"), views = $$("[name=view]");
const limit = wordLimit($(".said.last")?.textContent || "");
const desk = openDesk({ assignment: root.assignment, at: root.at, savedAt: root.savedAt, expiresAt: root.expiresAt, nextUrl: root.next });
const draft = desk.keeper.unconfirmed() || JSON.parse(root.draft || "null");
let sending = false;
if (draft?.text) { answer.value = draft.text; resumeSeconds(draft.page?.seconds); }

function count() {
  const words = countWords(answer.value), bar = $("#length progress");
  const b = make("b", { textContent: words.toLocaleString("en") });
  $("#length").classList.toggle("over", Boolean(limit) && words > limit);
  bar.hidden = !limit;
  if (limit) Object.assign(bar, { max: limit, value: Math.min(words, limit) });
  const chars = answer.value.length.toLocaleString("en");
  $("#words").replaceChildren(b, limit ? ` of at most ${limit.toLocaleString("en")} words, as the prompt asks` : ` ${words === 1 ? "word" : "words"}, ${chars} characters`);
  $("#go").classList.toggle("wait", !answer.value.trim());
}
function say(text) { $("#hint").replaceChildren(text); }

answer.addEventListener("input", () => {
  count();
  desk.keeper.change({ text: answer.value, page: { seconds: activeSeconds() } });
});

/* "Read as sent" is rendered by the server, by the same code that shows the text to others. */
async function view(which) {
  for (const input of views) input.checked = input.value === which;
  if (which === "read") {
    try {
      const reply = await fetch("/preview", { method: "POST", body: new URLSearchParams({ text: answer.value }), redirect: "manual" });
      if (!reply.ok) throw new Error();
      read.innerHTML = await reply.text(); // sanitised by the server
    } catch { read.replaceChildren(make("p", { textContent: "The preview needs the server, which does not answer just now. Your text is kept." })); }
  }
  read.hidden = which !== "read";
  answer.hidden = which === "read";
  (which === "read" ? read : answer).focus();
}
for (const input of views) input.addEventListener("change", () => view(input.value));

async function submit() {
  if (sending) return;
  if (!answer.value.trim()) { say("Write an answer first, or skip the task."); return answer.focus(); }
  sending = true;
  $("#go").replaceChildren("Sending");
  desk.keeper.pause();
  const result = await send(root.at, { text: answer.value, seconds: activeSeconds() },
    () => desk.notice("offline", "No connection.", "Your answer is kept in this browser and sent as soon as the connection is back."));
  if (result.next) {
    desk.keeper.done();
    desk.lease.stop();
    location.assign(result.next);
    return;
  }
  sending = false;
  if (result.status !== 409) desk.keeper.resume();
  $("#go").replaceChildren("Send ", make("kbd", { textContent: "Ctrl Enter" }));
  desk.notice("refused", result.problem, result.status === 401 ? "Sign in again in another tab, then press Send." : "Your answer is kept.",
    result.status === 401 ? desk.link("/sign-in", "Sign in") : result.status === 409 ? desk.next() : null);
}
$("#task").addEventListener("submit", (event) => { event.preventDefault(); submit(); });

const actions = {
  skip: () => $("#skip")?.showModal(), report: () => $("#report")?.showModal(), more: () => $("#more").showModal(), keys: () => $("#keys").showModal(),
  guide: () => { if (toggle("guide")) $("#guide").focus(); else answer.focus(); },
};
const LETTERS = { s: "skip", r: "report", m: "guide", "?": "keys" };
document.addEventListener("click", (event) => {
  const hit = event.target.closest("[data-do]");
  if (!hit) return;
  if (hit.closest("#more")) $("#more").close();
  actions[hit.dataset.do]();
});
document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); if (!event.repeat) submit(); return; }
  if (event.altKey && event.code === "KeyR") { event.preventDefault(); view(read.hidden ? "read" : "write"); return; }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const dialog = openDialog();
  if (dialog) { if (pickByDigit(dialog, event.key)) event.preventDefault(); return; }
  if (event.key === "Escape") { $("#guide").hidden = true; if (event.target === answer) answer.blur(); return; }
  if (event.target.matches("textarea, input, select, button, a, summary")) return;
  const key = event.key.toLowerCase();
  if (key === "e" || key === "enter") view("write");
  else if (key === "p") $("#P").focus();
  else if (LETTERS[key]) actions[LETTERS[key]]();
  else return;
  event.preventDefault();
});

count();
document.body.dataset.ready = "yes";

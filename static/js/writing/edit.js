/* Writing a better one than a response: the same sheet as for an answer, kept as it grows, sent once. */
import { $, make } from "../dom.js";
import { toggle } from "../labeling/desk.js";
import { DraftKeeper } from "../labeling/draft.js";
import { activeSeconds, beginSeconds } from "../labeling/presence.js";
import { send } from "../labeling/send.js";
import { t } from "../translate.js";
import { Editor } from "./editor.js";
import { listen } from "./keys.js";
import { Meter } from "./meter.js";

const root = $("#task").dataset, at = `/completions/${root.completion}`;
const keeper = new DraftKeeper({ assignment: `edit.${root.completion}`, at, savedAt: root.savedAt, report: mark, held: () => {} });
const original = $("#original").content.textContent.trim();
const draft = root.refused ? null : keeper.unconfirmed() || JSON.parse(root.draft || "null");
const say = (...parts) => $("#hint").replaceChildren(...parts);
const editor = new Editor({ say, changed: () => { count(); keeper.change(editor.draft({ seconds: activeSeconds() })); } });
const meter = new Meter({ project: root.project, assignment: root.assignment, prompt: $(".said.last")?.textContent || "", read: () => editor.written() });
let sending = false;
if (draft?.text) { editor.restore(draft); beginSeconds(draft.page?.seconds); }

function mark(status) {
  const says = { saved: t("Saved"), saving: t("Saving"), offline: t("Kept in this browser"), "signed-out": t("Signed out: kept in this browser"), gone: t("Sent already") };
  $("#save").dataset.is = status;
  $("#save").textContent = says[status];
}
function count() {
  meter.count();
  const same = editor.answer.value.trim() === original;
  $("#go").classList.toggle("wait", same || !editor.answer.value.trim());
}
function notice(title, text, ...actions) {
  $("#notice").hidden = false;
  $("#notice").replaceChildren(make("b", { textContent: title }), make("span", { textContent: text }), ...actions);
}

async function submit() {
  if (sending) return;
  if (editor.answer.value.trim() === original) { say(t("This is still the response as it was. Change it first.")); return editor.answer.focus(); }
  sending = true;
  $("#go").replaceChildren(t("Sending"));
  keeper.pause();
  const { turns, ...label } = editor.label();
  const result = await send(at, { ...label, seconds: activeSeconds() },
    () => notice(t("No connection."), t("Your text is kept in this browser and sent as soon as the connection is back.")));
  if (result.next) {
    keeper.done();
    location.assign(result.next);
    return;
  }
  sending = false;
  if (result.status !== 409) keeper.resume();
  $("#go").replaceChildren(t("Send"), " ", make("kbd", { textContent: t("Ctrl Enter") }));
  const signIn = make("a", { className: "btn line", href: "/sign-in", target: "_blank", textContent: t("Sign in") });
  notice(result.problem, result.status === 401 ? t("Sign in again in another tab, then press Send.") : t("Your text is kept."), ...(result.status === 401 ? [signIn] : []));
}
$("#task").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
$("#task").noValidate = true;

listen({
  send: submit, keys: () => $("#keys").showModal(),
  guide: () => { if (toggle("guide")) $("#guide").focus(); else editor.answer.focus(); },
  read: () => editor.view(editor.read.hidden ? "read" : "write"), write: () => editor.view("write"), prompt: () => $("#P").focus(),
  source: () => editor.addSource(), undo: () => editor.undo(),
});

count();
document.body.dataset.ready = "yes";

/* Writing a better one than a response: the same sheet as for an answer, kept in this browser until it is sent. */
import { $, make } from "../dom.js";
import { toggle } from "../labeling/desk.js";
import { activeSeconds, resumeSeconds } from "../labeling/lease.js";
import { send } from "../labeling/send.js";
import { t } from "../translate.js";
import { Editor } from "./editor.js";
import { BrowserKeeper } from "./keep.js";
import { listen } from "./keys.js";
import { Meter } from "./meter.js";

const root = $("#task").dataset, keeper = new BrowserKeeper(`edit.${root.completion}`);
const original = $("#original").content.textContent.trim(), draft = root.refused ? null : keeper.kept();
const say = (...parts) => $("#hint").replaceChildren(...parts);
const editor = new Editor({ say, changed: () => { count(); mark(keeper.keep(editor.draft({ seconds: activeSeconds() }))); } });
const meter = new Meter({ project: root.project, assignment: root.assignment, prompt: $(".said.last")?.textContent || "", read: () => editor.written() });
let sending = false;
if (draft?.text) { editor.restore(draft); resumeSeconds(draft.page?.seconds); mark(true); }

function mark(kept) {
  $("#save").dataset.is = kept ? "saved" : "lost";
  $("#save").textContent = kept ? t("Kept in this browser") : t("Not kept: send it soon");
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
  const { turns, ...label } = editor.label();
  const result = await send(`/completions/${root.completion}`, { ...label, seconds: activeSeconds() },
    () => notice(t("No connection."), t("Your text is kept in this browser and sent as soon as the connection is back.")));
  if (result.next) {
    keeper.forget();
    location.assign(result.next);
    return;
  }
  sending = false;
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

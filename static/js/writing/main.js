/* The writing page: an answer, kept as it grows, sent once. */
import { $, make } from "../dom.js";
import { openDesk, toggle } from "../labeling/desk.js";
import { openTasks } from "../labeling/next.js";
import { activeSeconds, beginSeconds, watchWriting } from "../labeling/presence.js";
import { send } from "../labeling/send.js";
import { openSkip } from "../labeling/skip.js";
import { t } from "../translate.js";
import { Editor } from "./editor.js";
import { listen } from "./keys.js";
import { Meter } from "./meter.js";

openTasks(({ signal, worked, goOn, skipped }) => {
  const root = $("#task").dataset;
  const desk = openDesk({ assignment: root.assignment, at: root.at, savedAt: root.savedAt, expiresAt: root.expiresAt, nextUrl: root.next, signal });
  const draft = desk.keeper.unconfirmed() || JSON.parse(root.draft || "null");
  const say = (...parts) => $("#hint").replaceChildren(...parts);
  const presence = watchWriting(draft?.page?.presence);
  const editor = new Editor({ say, changed: () => { presence.edited(); count(); worked(); desk.keeper.change(editor.draft({ seconds: activeSeconds(), presence: presence.log() })); } });
  const meter = new Meter({ project: root.project, assignment: root.assignment, prompt: $(".said.last")?.textContent || "", read: () => editor.written(), signal });
  let sending = false;
  if (draft?.text || draft?.turns?.length || draft?.sources?.length) editor.restore(draft);
  beginSeconds(draft?.page?.seconds);

  function count() {
    meter.count();
    $("#go").classList.toggle("wait", !editor.answer.value.trim());
  }

  async function submit() {
    if (sending) return;
    if (!editor.answer.value.trim()) { say(t("Write an answer first, or skip the task.")); return editor.answer.focus(); }
    sending = true;
    $("#go").replaceChildren(t("Sending"));
    desk.keeper.pause();
    const result = await send(root.at, { ...editor.label(), seconds: activeSeconds(), presentation: presence.log() },
      () => desk.notice("offline", t("No connection."), t("Your answer is kept in this browser and sent as soon as the connection is back.")));
    if (result.next) {
      desk.keeper.done();
      desk.lease.stop();
      goOn(result);
      return;
    }
    sending = false;
    if (result.status !== 409) desk.keeper.resume();
    $("#go").replaceChildren(t("Send"), " ", make("kbd", { textContent: t("Ctrl Enter") }));
    desk.notice(); // a second refusal may say something else
    desk.notice("refused", result.problem, result.status === 401 ? t("Sign in again in another tab, then press Send.") : t("Your answer is kept."),
      result.status === 401 ? desk.link("/sign-in", t("Sign in")) : result.status === 409 ? desk.next() : null);
  }
  $("#task").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  $("#task").noValidate = true; // sources are checked by the server, in words

  const show = (id) => () => $(`#${id}`)?.showModal();
  listen({
    send: submit, skip: openSkip({ desk, worked, skipped }), report: show("report"), more: show("more"), keys: show("keys"),
    guide: () => { if (toggle("guide")) $("#guide").focus(); else editor.answer.focus(); },
    read: () => editor.view(editor.read.hidden ? "read" : "write"), write: () => editor.view("write"), prompt: () => $("#P").focus(),
    round: editor.rounds.box ? () => editor.addRound() : undefined, source: () => editor.addSource(),
    removeRound: () => editor.removeRound(), undo: () => editor.undo(),
  }, signal);

  count();
  editor.answer.focus();
});

/* Skipping: the task goes to somebody else, and the next one comes in its place as it does after sending. */
import { $ } from "../dom.js";
import { t } from "../translate.js";
import { sentence } from "./lease.js";

/** Returns what opens the dialog. `worked()` gets the next task while she looks for the reason, `skipped(answer)` goes on. */
export function openSkip({ desk, worked, skipped }) {
  const dialog = $("#skip"); // a label that is sent already has none
  let busy = false;
  dialog?.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    const { target: form, submitter } = event, body = new URLSearchParams({ reason: submitter.value, note: form.elements.note.value });
    let answer = null;
    try { answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } }); } catch { /* No connection. */ }
    if (answer?.ok) {
      desk.keeper.leave(); // what was changed last is kept as well
      desk.lease.stop();
      skipped(await answer.json());
      return;
    }
    busy = false;
    dialog.close();
    desk.notice(); // a second refusal may say something else
    if (!answer) desk.notice("unskipped", t("Not skipped."), t("There is no connection. Try again when it is back."));
    else if (answer.status === 401) desk.notice("unskipped", t("You are signed out."), t("Sign in again in another tab, then skip."), desk.link("/sign-in", t("Sign in")));
    else desk.notice("unskipped", t("Not skipped."), await sentence(answer), answer.status === 409 ? desk.next() : null);
  });
  return () => { if (dialog) { worked(); dialog.showModal(); } };
}

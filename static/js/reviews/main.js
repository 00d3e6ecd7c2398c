/* The review page: a choice and a reason, kept as they grow, sent once. Digits choose, letters A to I lead to a response. */
import { $, $$ } from "../dom.js";
import { openDesk, openDialog, pickByDigit, toggle } from "../labeling/desk.js";
import { lettersAct, openTick } from "../labeling/letters.js";
import { activeSeconds, beginSeconds } from "../labeling/presence.js";
import { send } from "../labeling/send.js";
import { t } from "../translate.js";

const form = $("#task"), root = form.dataset, why = $("#why"), choices = $$("[name=choice]");
const desk = openDesk({ assignment: root.assignment, at: `/assignments/${root.assignment}`, savedAt: root.savedAt, expiresAt: root.expiresAt, nextUrl: root.next });
const draft = desk.keeper.unconfirmed() || JSON.parse(root.draft || "null") || {};
let sending = false, begun = false;

const chosen = () => choices.find((input) => input.checked)?.value || "";
const missing = () => (!chosen() ? t("Choose first: 1 to 4.") : chosen() !== "own" && !why.value.trim() ? t("Say why in a sentence: the two labelers read it.") : "");

function draw() {
  const lacks = missing(), go = $("#go"), label = sending ? t("Sending") : chosen() === "own" ? t("Order them yourself") : t("Decide");
  go.classList.toggle("wait", Boolean(lacks) || sending);
  go.textContent = label;
  if ($("#hint").textContent !== lacks && begun) $("#hint").textContent = lacks;
}
function changed() {
  begun = true;
  // What the ranking page knows of an order of her own stays beside it.
  desk.keeper.change({ ...draft, choice: chosen(), comment: why.value, page: { ...draft.page, seconds: activeSeconds() } });
  draw();
}
function choose(value) {
  const input = choices.find((each) => each.value === value);
  input.checked = true;
  input.focus({ preventScroll: true });
  changed();
  if (value !== "own" && !why.value.trim()) why.focus();
}

async function go() {
  if (sending) return;
  const lacks = missing();
  if (lacks) {
    $("#hint").textContent = lacks;
    (chosen() ? why : choices[0]).focus();
    return;
  }
  sending = true;
  draw();
  desk.keeper.pause();
  if (chosen() === "own") return form.submit(); // the server keeps what is here and leads to the ranking page
  const answer = await send(root.at, { choice: chosen(), comment: why.value, seen: root.seen, seconds: activeSeconds() },
    () => desk.notice("offline", t("No connection."), t("Your decision is kept in this browser and sent as soon as the connection is back.")));
  if (answer.next) {
    desk.keeper.done();
    desk.lease.stop();
    location.assign(answer.next);
    return;
  }
  sending = false;
  draw();
  if (answer.status !== 409) desk.keeper.resume();
  desk.notice(); // a second refusal may say something else
  desk.notice("refused", answer.problem, answer.status === 401 ? t("Sign in again in another tab, then press Decide.") : t("What you wrote is kept."),
    answer.status === 401 ? desk.link("/sign-in", t("Sign in")) : answer.status === 409 ? desk.next() : null);
}

function visit(element) {
  for (const one of $$(".judged-one")) one.classList.toggle("at", one === element);
  element.focus({ preventScroll: true });
  const stage = $("#stage"), top = element.closest(".judged") ? $(".judged") : element;
  if (getComputedStyle(stage).overflowY === "visible") return element.scrollIntoView({ block: "start" });
  if (stage.scrollTop > top.offsetTop || top.offsetTop > stage.scrollTop + stage.clientHeight / 2) stage.scrollTop = top.offsetTop;
  if (!element.closest(".judged")) return;
  const left = element.offsetLeft, right = left + element.offsetWidth;
  if (left < stage.scrollLeft) stage.scrollLeft = left;
  if (right > stage.scrollLeft + stage.clientWidth) stage.scrollLeft = right - stage.clientWidth;
}

const actions = {
  p: () => visit($("#P")), l: () => visit($(".both")), n: () => why.focus(), s: () => $("#skip").showModal(), r: () => $("#report").showModal(),
  m: () => { if (toggle("guide")) $("#guide").focus(); }, "?": () => $("#keys").showModal(), z: () => { if (!begun) $("#unsend")?.requestSubmit(); },
};
const byName = { guide: "m", keys: "?", skip: "s", report: "r" };

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  const dialog = openDialog(), { key, target } = event, low = key.toLowerCase();
  if (key === "Enter" && (event.ctrlKey || event.metaKey) && !dialog) { event.preventDefault(); if (!event.repeat) go(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (dialog) { if (pickByDigit(dialog, key, event)) event.preventDefault(); return; }
  if (key === "Escape") { $("#guide").hidden = true; if (target === why) why.blur(); return; }
  if (target.matches("textarea, select, input:not([type=radio])")) return;
  if (key === "Enter") { if (!target.closest("button, a, summary")) { event.preventDefault(); if (!event.repeat) go(); } return; }
  if (!lettersAct() && low !== "?") return;
  if (/^[1-4]$/.test(key)) { event.preventDefault(); choose(choices[Number(key) - 1].value); return; }
  const response = /^[a-i]$/.test(low) && $(`#R${low.toUpperCase()}`), act = response ? () => visit(response) : actions[low];
  if (act) { event.preventDefault(); act(); }
});
document.addEventListener("click", (event) => {
  const hit = event.target.closest("[data-do]"), one = event.target.closest(".judged-one");
  if (one) for (const each of $$(".judged-one")) each.classList.toggle("at", each === one);
  if (!hit) return;
  if (hit.closest("#more")) $("#more").close();
  if (hit.dataset.do === "more") $("#more").showModal(); else actions[byName[hit.dataset.do]]?.();
});
form.addEventListener("change", changed);
why.addEventListener("input", changed);
form.addEventListener("submit", (event) => { event.preventDefault(); go(); });

if (draft.choice !== undefined && choices.some((input) => input.value === draft.choice)) choices.find((input) => input.value === draft.choice).checked = true;
if (typeof draft.comment === "string" && draft.comment) why.value = draft.comment;
beginSeconds(draft.page?.seconds);
openTick();
draw();
document.body.dataset.ready = "yes";

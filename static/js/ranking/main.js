/* The ranking page: one state, one history, one render. Ratings propose an order, keys or dragging change it, Enter walks on. */
import { $, $$ } from "../dom.js";
import { openDesk, toggle } from "../labeling/desk.js";
import { activeSeconds, resumeSeconds } from "../labeling/lease.js";
import { send } from "../labeling/send.js";
import { afterSending, askBetter } from "./better.js";
import { listen } from "./keys.js";
import { draw, onPhone, settle, show } from "./render.js";
import * as s from "./state.js";

const root = $("#task").dataset, el = Object.fromEntries($$("[data-id]").map((e) => [e.dataset.id, e]));
const responses = $$(".resp");
const task = { ids: responses.map((e) => e.dataset.id), max: Number(root.max), best: root.best };
const letter = Object.fromEntries(responses.map((e) => [e.dataset.id, e.dataset.letter]));
const flagInputs = $$(".flag-box input", responses[0]);
const flagKeys = flagInputs.map((input) => input.value);
const view = { task, el, letter, flagLabel: Object.fromEntries(flagInputs.map((i) => [i.value, i.closest("label").dataset.label])) };

const desk = openDesk({ assignment: root.assignment, savedAt: root.savedAt, expiresAt: root.expiresAt, nextUrl: root.next });
const draft = desk.keeper.unconfirmed() || JSON.parse(root.draft || "null");
let state = draft ? s.fromDraft(draft, task, flagKeys) : s.fresh(task);
let past = [], future = [], back = task.ids[0], doing = "", pointed = false;
if (draft) { $("#why").value = draft.comment || ""; resumeSeconds(draft.page?.seconds); }

const complete = () => !s.unrated(state, task).length;
const render = () => draw(view, state, { undoable: past.length > 0, doing, arrange: (tiers, id) => change(s.arrange(state, task, tiers, id)) });
const keep = () => desk.keeper.change(s.toDraft(state, task, $("#why").value, activeSeconds()));

/** The one way in which anything changes. */
function change(next, { undoable = true } = {}) {
  if (doing) return;
  if (undoable && next !== state) { past = [...past.slice(-199), state]; future = []; }
  const walked = next.current !== state.current || next.lined !== state.lined || next.tiers !== state.tiers;
  state = next;
  keep();
  render();
  if (walked) show(view, state.current);
}
function travel(from, to) {
  if (!from.length || doing) return;
  to.push(state);
  state = from.pop();
  keep();
  render();
  show(view, state.current);
}
function goTo(id) {
  if (!el[id]) return;
  if (state.current !== "P") back = state.current;
  closeFlags(id);
  state = { ...state, current: id };
  render();
  show(view, id);
}

async function go() {
  if (doing) return;
  if (closeFlags()) return show(view, state.current);
  const next = s.advance(state, task);
  if (next) return change(next, { undoable: next.phase !== state.phase });
  doing = "sending";
  render();
  desk.keeper.pause();
  const answer = await send(root.assignment, s.submission(state, task, $("#why").value, activeSeconds()),
    () => desk.notice("offline", "No connection.", "Your ranking is kept in this browser and sent as soon as the connection is back."));
  if (answer.next) {
    desk.keeper.done();
    desk.lease.stop();
    location.assign(afterSending(root.assignment, answer.next));
    return;
  }
  doing = "";
  render();
  if (answer.status !== 409) desk.keeper.resume();
  desk.notice("refused", answer.problem, answer.status === 401 ? "Sign in again in another tab, then press Send." : "Your ranking is kept.",
    answer.status === 401 ? desk.link("/sign-in", "Sign in") : answer.status === 409 ? desk.next() : null);
}

/* ---- flags ---- */
const openFlagBox = () => $(".flag-box[open]");
function closeFlags(but = "") {
  const open = openFlagBox();
  if (!open || open.closest("[data-id]").dataset.id === but) return false;
  open.open = false;
  return true;
}
function flag(at, id = openFlagBox()?.closest("[data-id]").dataset.id || state.current) {
  if (id !== "P" && flagKeys[at]) change(s.toggleFlag(state, id, flagKeys[at], flagKeys));
}

/* ---- what a person can do ---- */
const actions = {
  go, undo: () => travel(past, future), redo: () => travel(future, past),
  flags: () => { const box = state.current !== "P" && $(".flag-box", el[state.current]); if (box) box.open = !box.open; },
  skip: () => $("#skip").showModal(), report: () => $("#report").showModal(), more: () => $("#more").showModal(), keys: () => $("#keys").showModal(),
  reason: () => { if ($("#reason").classList.toggle("open")) $("#why").focus(); }, guide: () => { toggle("guide"); settle(view); },
  prompt: () => goTo(state.current === "P" ? back : "P"),
  wide: () => { const on = document.body.classList.toggle("wide"); localStorage.setItem("tutelage.wide", on ? "on" : ""); settle(view); show(view, state.current); },
  order: () => { if (complete()) { state = { ...state, lined: !state.lined }; render(); show(view, state.current); } },
  close: () => { if (!closeFlags()) { $("#reason").classList.remove("open"); $("#guide").hidden = true; } settle(view); show(view, state.current); },
};
const onResponse = (act) => { if (state.current === "P") return; if (complete()) act(state.current); else go(); };

listen({
  go, close: actions.close, openFlags: openFlagBox, flag,
  step: (way) => onResponse((id) => change(s.step(state, task, id, way))),
  toEnd: (way) => onResponse((id) => change(s.toEnd(state, task, id, way))),
  walk: (way) => { const all = ["P", ...s.shown(state, task)]; goTo(all[Math.min(all.length - 1, Math.max(0, all.indexOf(state.current) + way))]); },
  rate: (n) => { if (state.current !== "P") { closeFlags(); change(s.rate(state, task, state.current, n)); show(view, state.current); } },
  goToLetter: (wanted) => { const id = task.ids.find((i) => letter[i] === wanted); if (id) goTo(id); return Boolean(id); },
  act: (name) => actions[name](),
}, task);

askBetter({ assignment: root.assignment, current: () => (state.current === "P" ? null : state.current), letter });
document.addEventListener("keydown", () => { pointed = false; }, true);
document.addEventListener("pointerdown", () => { pointed = true; }, true);
document.addEventListener("click", (event) => {
  const hit = event.target.closest("[data-do], [data-go], [data-move], [data-unflag], .flag-box summary");
  const resp = event.target.closest("[data-id]");
  if (!hit) {
    if (resp && !event.target.closest(".flag-box, .rate, a") && !String(getSelection())) goTo(resp.dataset.id);
    else if (!resp) closeFlags();
    return;
  }
  const { do: act, go: to, move, unflag } = hit.dataset;
  if (hit.closest("#more")) $("#more").close();
  if (to) goTo(to);
  else if (move) complete() ? change(s.step(state, task, resp.dataset.id, Number(move))) : go();
  else if (unflag) change(s.toggleFlag(state, resp.dataset.id, unflag, flagKeys));
  else if (act) actions[act]();
  else if (state.current !== resp.dataset.id) goTo(resp.dataset.id);
});
/* Arrow keys inside a rating change it and stay there; a digit or a click rates and walks on. */
document.addEventListener("change", (event) => {
  const { target } = event, id = target.closest("[data-id]")?.dataset.id;
  if (target.closest(".rate")) { change(s.rate(state, task, id, Number(target.value), pointed)); if (pointed) show(view, state.current); }
  else if (target.closest(".flag-box")) flag(flagKeys.indexOf(target.value), id);
});
$("#why").addEventListener("input", keep);
$("#task").noValidate = true; // the fields of the form without scripts are required, and hidden here
$("#task").addEventListener("submit", (event) => { event.preventDefault(); go(); });

/* Phone: a sideways swipe over the text turns the page. */
let startX = 0, startY = 0;
const stage = $("#stage");
stage.addEventListener("touchstart", (e) => { startX = e.touches[0].clientX; startY = e.touches[0].clientY; }, { passive: true });
stage.addEventListener("touchend", (e) => {
  const dx = e.changedTouches[0].clientX - startX, dy = e.changedTouches[0].clientY - startY;
  if (!onPhone() || Math.abs(dx) < 60 || Math.abs(dy) > 40) return;
  const all = ["P", ...s.shown(state, task)];
  goTo(all[Math.min(all.length - 1, Math.max(0, all.indexOf(state.current) - Math.sign(dx)))]);
}, { passive: true });

document.body.classList.toggle("wide", localStorage.getItem("tutelage.wide") === "on");
addEventListener("resize", () => settle(view));
document.fonts?.ready.then(() => settle(view));
render();
show(view, state.current);
document.body.dataset.ready = "yes";

/* The ranking page: one state, one history, one render. Ratings propose an order, keys or dragging change it, Enter walks on. */
import { $, $$ } from "../dom.js";
import { openDesk, toggle } from "../labeling/desk.js";
import { openTasks } from "../labeling/next.js";
import { activeSeconds, beginSeconds, watchRanking } from "../labeling/presence.js";
import { send } from "../labeling/send.js";
import { openSkip } from "../labeling/skip.js";
import { t } from "../translate.js";
import { afterSending, askBetter } from "./better.js";
import { openKeyList, openKeymap } from "./keymap.js";
import { listen } from "./keys.js";
import { openReading } from "./reading.js";
import { draw, onPhone, settle, show } from "./render.js";
import * as s from "./state.js";

openTasks(({ signal, worked, goOn, skipped }) => {
  const root = $("#task").dataset, el = Object.fromEntries($$("[data-id]").map((e) => [e.dataset.id, e]));
  const responses = $$(".resp");
  const task = { ids: responses.map((e) => e.dataset.id), max: Number(root.max), best: root.best, confidence: root.confidence === "yes" };
  const letter = Object.fromEntries(responses.map((e) => [e.dataset.id, e.dataset.letter]));
  const flagsOf = (box) => Object.fromEntries($$(".flag-box input", box).map((i) => [i.value, i.nextSibling.data]));
  const onResponses = flagsOf(responses[0]), onPrompt = flagsOf(el.P);
  const labels = (id) => (id === "P" ? onPrompt : onResponses), keysOf = (id) => Object.keys(labels(id));
  const view = { task, el, letter, labels };

  const desk = openDesk({ assignment: root.assignment, at: root.at, savedAt: root.savedAt, expiresAt: root.expiresAt, nextUrl: root.next, signal });
  const draft = desk.keeper.unconfirmed() || JSON.parse(root.draft || "null");
  let state = draft ? s.fromDraft(draft, task, keysOf(task.ids[0]), keysOf("P")) : s.fresh(task);
  let past = [], future = [], back = task.ids[0], doing = "", pointed = false;
  beginSeconds(draft?.page?.seconds);
  if (draft) $("#why").value = draft.comment || "";

  const presence = watchRanking(task.ids, draft?.page?.presence, signal);
  const reading = openReading(view, () => settle(view), signal), keymap = openKeymap(root.person);
  openKeyList(keymap, signal);

  const complete = () => !s.unrated(state, task).length;
  const render = () => draw(view, state, { undoable: past.length > 0, doing, arrange: (tiers, id) => change(s.arrange(state, task, tiers, id)) });
  const keep = () => {
    const kept = s.toDraft(state, task, $("#why").value, activeSeconds());
    worked();
    desk.keeper.change({ ...kept, page: { ...kept.page, presence: presence.log() } });
  };

  /** Go where she stands; a response outside a comparison ends it. */
  function reveal() {
    presence.at(state.current);
    if (reading.pair().length && el[state.current] !== el.P && !reading.pair().includes(state.current)) reading.end();
    if (state.sure) $("#sure").focus({ preventScroll: true }); else show(view, state.current);
  }

  /** The one way in which anything changes. */
  function change(next, { undoable = true } = {}) {
    if (doing) return;
    if (undoable && next !== state) { past = [...past.slice(-199), state]; future = []; }
    if (next.byHand && next.tiers !== state.tiers) presence.moved();
    const walked = next.current !== state.current || next.lined !== state.lined || next.tiers !== state.tiers || next.sure !== state.sure;
    state = next;
    keep();
    render();
    if (walked) reveal();
  }
  function travel(from, to) {
    if (!from.length || doing) return;
    to.push(state);
    state = from.pop();
    keep();
    render();
    reveal();
  }
  /** Nothing was done here yet: undo means what was sent before. */
  function unsend() { if (!doing) $("#unsend")?.requestSubmit(); }
  function goTo(id) {
    if (!el[id]) return;
    if (state.current !== "P") back = state.current;
    closeMenus(id);
    state = { ...state, current: id, sure: false };
    render();
    reveal();
  }

  async function go() {
    if (doing) return;
    if (closeMenus()) return reveal();
    const next = s.advance(state, task);
    if (next) return change(next, { undoable: next.phase !== state.phase });
    doing = "sending";
    render();
    desk.keeper.pause();
    const answer = await send(root.at, { ...s.submission(state, task, $("#why").value, activeSeconds()), presentation: presence.log() },
      () => desk.notice("offline", t("No connection."), t("Your ranking is kept in this browser and sent as soon as the connection is back.")));
    if (answer.next) {
      desk.keeper.done();
      desk.lease.stop();
      goOn(answer, afterSending(root.assignment, answer.next));
      return;
    }
    doing = "";
    render();
    if (answer.status !== 409) desk.keeper.resume();
    desk.notice("refused", answer.problem, answer.status === 401 ? t("Sign in again in another tab, then press Send.") : t("Your ranking is kept."),
      answer.status === 401 ? desk.link("/sign-in", t("Sign in")) : answer.status === 409 ? desk.next() : null);
  }

  /* ---- the menus of flags and of reading tools ---- */
  const openMenu = (kind = "") => $(`.menu-box${kind}[open]`);
  const openFlagBox = () => openMenu(".flag-box");
  function closeMenus(but = "") {
    const open = openMenu();
    if (!open || open.closest("[data-id]").dataset.id === but) return false;
    open.open = false;
    return true;
  }
  function toggleMenu(kind, id) {
    const box = $(kind, el[id]), other = openMenu();
    if (other && other !== box) other.open = false;
    if (box) box.open = !box.open;
    return Boolean(box?.open);
  }
  function flag(at, id = openFlagBox()?.closest("[data-id]").dataset.id || state.current) {
    if (keysOf(id)[at]) change(s.toggleFlag(state, id, keysOf(id)[at], keysOf(id)));
  }
  /** With which one: at once where there are but two, else the menu asks for a letter. The same key ends it. */
  function compare() {
    const id = state.current === "P" ? back : state.current, others = task.ids.filter((each) => each !== id);
    if (reading.pair().length) return reading.end();
    if (others.length === 1) return compareTwo(id, others[0]);
    if (state.current === "P") goTo(id);
    if (toggleMenu(".tool-box", id)) reading.say(t("Compare %(letter)s with which one? Press its letter.", { letter: letter[id] }));
  }
  function compareWith(other) {
    const id = openMenu(".tool-box")?.closest("[data-id]").dataset.id || state.current;
    closeMenus();
    if (other && other !== id) compareTwo(id, other);
    return true;
  }
  function compareTwo(one, other) {
    presence.compared([one, other]);
    return reading.compare(one, other);
  }

  const skip = openSkip({ desk, worked, skipped }), askForBetter = askBetter({ assignment: root.assignment, letter });

  /* ---- what a person can do ---- */
  const actions = {
    go, undo: () => (past.length || future.length ? travel(past, future) : unsend()), redo: () => travel(future, past),
    flags: () => toggleMenu(".flag-box", state.current),
    better: () => { if (state.current !== "P") askForBetter(state.current); },
    compare, rawAll: () => { closeMenus(); presence.raw(task.ids); reading.toggleAll(); reveal(); },
    raw: () => { closeMenus(); presence.raw([state.current]); reading.toggleRaw(state.current); reveal(); },
    sure: () => { if (!task.confidence) return; if (state.phase === "rate") go(); else { state = { ...state, sure: true }; render(); reveal(); } },
    skip, report: () => $("#report")?.showModal(), more: () => $("#more").showModal(), keys: () => $("#keys").showModal(),
    reason: () => { if ($("#reason").classList.toggle("open")) $("#why").focus(); }, guide: () => { toggle("guide"); settle(view); },
    prompt: () => goTo(state.current === "P" ? back : "P"),
    wide: () => { const on = document.body.classList.toggle("wide"); localStorage.setItem("tutelage.wide", on ? "on" : ""); settle(view); reveal(); },
    order: () => { if (complete()) { state = { ...state, lined: !state.lined }; render(); reveal(); } },
    close: () => { if (!closeMenus()) { $("#reason").classList.remove("open"); $("#guide").hidden = true; } settle(view); reveal(); },
  };
  /** Where the arrows and a swipe lead: all of it, or the two that are compared. */
  const stops = () => (reading.pair().length ? s.shown(state, task).filter((id) => reading.pair().includes(id)) : ["P", ...s.shown(state, task)]);
  const onResponse = (act) => { if (state.current === "P") return; if (complete()) act(state.current); else go(); };

  listen({
    go, close: actions.close, openFlags: openFlagBox, flag,
    step: (way) => onResponse((id) => change(s.step(state, task, id, way))),
    toEnd: (way) => onResponse((id) => change(s.toEnd(state, task, id, way))),
    sure: () => state.sure, answer: (n) => change(s.answer(state, n)), choosing: () => Boolean(openMenu(".tool-box")),
    compareWith: (wanted) => compareWith(task.ids.find((id) => letter[id] === wanted)),
    walk: (way) => { const all = stops(); goTo(all[Math.min(all.length - 1, Math.max(0, all.indexOf(state.current) + way))]); },
    rate: (n) => { if (state.current !== "P") { closeMenus(); change(s.rate(state, task, state.current, n)); reveal(); } },
    goToLetter: (wanted) => { const id = task.ids.find((i) => letter[i] === wanted); if (id) goTo(id); return Boolean(id); },
    act: (name) => actions[name](),
  }, keymap, task, signal);

  document.addEventListener("keydown", () => { pointed = false; }, { capture: true, signal });
  document.addEventListener("pointerdown", () => { pointed = true; }, { capture: true, signal });
  document.addEventListener("click", (event) => {
    const hit = event.target.closest("[data-do], [data-go], [data-move], [data-unflag], [data-compare], .menu-box summary");
    const resp = event.target.closest("[data-id]");
    if (!hit) {
      if (resp && !event.target.closest(".menu-box, .rate, a") && !String(getSelection())) goTo(resp.dataset.id);
      else if (!resp) closeMenus();
      return;
    }
    const { do: act, go: to, move, unflag, compare: other } = hit.dataset;
    if (hit.closest("#more")) $("#more").close();
    if (to) goTo(to);
    else if (move) complete() ? change(s.step(state, task, resp.dataset.id, Number(move))) : go();
    else if (unflag) flag(keysOf(resp.dataset.id).indexOf(unflag), resp.dataset.id);
    else if (other) compareWith(other);
    else if (act) { if (resp && state.current !== resp.dataset.id) goTo(resp.dataset.id); actions[act](); }
    else if (state.current !== resp.dataset.id) goTo(resp.dataset.id);
  }, { signal });
  /* Arrow keys inside a rating change it and stay there; a digit or a click rates and walks on. */
  document.addEventListener("change", (event) => {
    const { target } = event, id = target.closest("[data-id]")?.dataset.id;
    if (target.closest(".rate")) { change(s.rate(state, task, id, Number(target.value), pointed)); if (pointed) reveal(); }
    else if (target.closest("#sure")) change(s.answer(state, Number(target.value)));
    else if (target.closest(".flag-box")) flag(keysOf(id).indexOf(target.value), id);
  }, { signal });
  /* Digits answer the question in which the focus stands, however it came there. */
  document.addEventListener("focusin", ({ target }) => {
    const sure = Boolean(target.closest("#sure"));
    if (sure !== state.sure && !doing && target.closest("#sure, [data-id]")) { state = { ...state, sure }; render(); }
  }, { signal });
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
    const all = stops();
    goTo(all[Math.min(all.length - 1, Math.max(0, all.indexOf(state.current) - Math.sign(dx)))]);
  }, { passive: true });

  document.body.classList.toggle("wide", localStorage.getItem("tutelage.wide") === "on");
  addEventListener("resize", () => settle(view), { signal });
  document.fonts?.ready.then(() => settle(view));
  render();
  reveal();
});

/* Draws a state: columns, heads, chips, the hint and the blue button. The server has rendered all of the texts. */
import { $, $$, make } from "../dom.js";
import { t, tn, weave } from "../translate.js";
import { contradiction, places, shown, tiersOf, unrated, unsure } from "./state.js";
import { drawRail } from "./rail.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const phone = matchMedia("(max-width: 40em)");
export const onPhone = () => phone.matches;

/** `view` is {task, el, letter, labels}; el maps ids (and "P") to elements, labels(id) flags to what they are called. `doing` is "", "sending" or "sent". */
export function draw(view, state, { undoable, doing, arrange }) {
  const { task, el } = view, tiers = tiersOf(state, task), place = places(tiers);
  document.body.classList.toggle("lined", state.lined);
  document.body.classList.toggle("ok", state.phase === "ready");
  lineUp(view, shown(state, task));
  document.body.classList.toggle("asking", state.sure);
  drawPrompt(view, state);
  drawSure(state);
  for (const id of task.ids) drawHead(view, state, id, tiers, state.lined ? place[id] || "" : "");
  drawRail(view, state, tiers, arrange);
  drawDock(view, state, tiers, undoable, doing);
  settle(view);
}

function lineUp({ task, el }, order) {
  const box = $("#responses");
  if ($$(".resp", box).map((e) => e.dataset.id).join() === order.join()) return;
  const before = new Map(task.ids.map((id) => [id, el[id].offsetLeft]));
  box.append(...order.map((id) => el[id]));
  if (calm.matches) return;
  for (const id of task.ids) {
    const dx = before.get(id) - el[id].offsetLeft;
    if (dx) el[id].animate([{ transform: `translateX(${dx}px)` }, { transform: "none" }], { duration: 140, easing: "ease-out" });
  }
}

function drawHead(view, state, id, tiers, place) {
  const e = view.el[id], rating = state.ratings[id], tier = tiers.find((t) => t.includes(id)), flags = state.flags[id] || [];
  const tied = state.lined && Boolean(tier) && tier.indexOf(id) > 0;
  e.classList.toggle("cur", state.current === id);
  e.setAttribute("aria-current", state.current === id);
  e.classList.toggle("rated", Boolean(rating));
  e.classList.toggle("tie-l", tied);
  check($$(".rate input", e), rating);
  $(".place", e).textContent = tied && !onPhone() ? "" : place;
  const rates = view.task.best === "high", given = rating ? (rates ? t("rated %(rating)s", { rating }) : t("place %(place)s", { place: rating })) : rates ? t("not rated") : t("not placed");
  const said = [t("Response %(letter)s", { letter: view.letter[id] }), given, ...(place ? [place] : []), ...flags.map((key) => view.labels(id)[key])];
  e.setAttribute("aria-label", said.join(", "));
  drawFlags(e, flags, view.labels(id));
}

function drawFlags(e, flags, label) {
  const box = $(".flag-box", e);
  if (!box) return;
  box.classList.toggle("on", flags.length > 0);
  for (const input of $$("input", box)) input.checked = flags.includes(input.value);
  $(".chips", e).replaceChildren(...flags.map((key) => {
    const chip = make("button", { className: "chip", type: "button", textContent: label[key], dataset: { unflag: key } });
    chip.setAttribute("aria-label", t("Remove flag: %(flag)s", { flag: label[key] }));
    return chip;
  }));
}

function drawPrompt({ el, labels }, state) {
  const flags = state.flags.P || [];
  el.P.classList.toggle("cur", state.current === "P");
  el.P.setAttribute("aria-label", [t("Prompt"), ...flags.map((key) => labels("P")[key])].join(", "));
  drawFlags(el.P, flags, labels("P"));
}

/** The question how sure she is comes with the order. */
function drawSure(state) {
  const box = $("#sure");
  if (!box) return;
  box.hidden = state.phase === "rate";
  check($$("input", box), state.confidence);
}

const check = (radios, value) => { for (const input of radios) input.checked = Number(input.value) === value; };

function drawDock(view, state, tiers, undoable, doing) {
  const { task } = view, missing = unrated(state, task).length, rates = task.best === "high";
  const more = rates ? tn("Rate %(count)s more", "Rate %(count)s more", missing) : tn("Place %(count)s more", "Place %(count)s more", missing);
  const label = doing === "sending" ? t("Sending") : { rate: missing ? more : t("Line up"), order: t("Confirm order"), ready: unsure(state, task) ? t("Say how sure") : t("Send") }[state.phase];
  const go = $("#go"), waits = state.phase === "rate" ? missing > 0 : state.phase === "ready" && unsure(state, task);
  go.classList.toggle("wait", waits || doing === "sending");
  go.replaceChildren(label, ...(doing ? [] : [make("kbd", { textContent: "Enter" })]));
  const now = make("p", {}, ...hint(view, state, tiers, missing, doing)), line = $("#hint");
  if (now.textContent !== line.textContent) line.replaceChildren(...now.childNodes); // a status is read out only when it says something new
  $("[data-do=undo]").disabled = !undoable;
}

function hint({ task, letter }, state, tiers, missing, doing) {
  const b = (text) => make("b", { textContent: text }), rates = task.best === "high", at = letter[state.current];
  if (doing === "sending") return [t("Sending. It is stored once, however often it has to be tried")];
  if (state.phase === "rate" && missing) {
    if (state.current === "P" || state.ratings[state.current]) return [rates ? t("Ratings propose the order") : t("Equal places are ties")];
    return rates ? weave(t("%(rate)s, 1 poor to 7 excellent"), { rate: b(t("Rate %(letter)s", { letter: at })) }) : weave(t("%(place)s, 1 is best"), { place: b(t("Place %(letter)s", { letter: at })) });
  }
  if (state.phase === "rate") return [b(rates ? t("All rated.") : t("All placed.")), " ", t("Line them up and check the order")];
  if (state.sure && !state.confidence) return [b(t("How sure are you?")), " ", t("Press a digit, 1 to 9")];
  if (state.phase === "ready") return [b(t("Order confirmed.")), " ", t("A reason is welcome, not needed")];
  const above = contradiction(state, task);
  if (above) return [b(t("%(letter)s stands above a higher rating.", { letter: letter[above] })), " ", t("Fine if you mean it")];
  if (state.byHand) return [b(t("Your order.")), " ", t("Confirm it when it is right")];
  const ties = tiers.some((tier) => tier.length > 1) ? [t("Ties are fine."), " "] : [];
  const moves = weave(t("Shift ← → moves %(letter)s"), { letter: b(at || letter[tiers[0][0]]) });
  return [b(rates ? t("Proposed by your ratings.") : t("Lined up by your places.")), " ", ...ties, ...moves];
}

/** A text stops when its end is in view, so a short one waits beside a long one and no column is ever empty. */
export function settle({ task, el }) {
  const stage = $("#stage"), height = stage.clientHeight;
  const tops = task.ids.map((id) => Math.min($(".head", el[id]).offsetHeight, height - $(".text", el[id]).offsetHeight));
  if (onPhone()) document.body.style.setProperty("--dock", `${$(".dock").offsetHeight}px`); // the head stands on the dock
  task.ids.forEach((id, at) => { $(".text", el[id]).style.top = `${tops[at]}px`; });
}

/** Bring the current response into view and give it the focus. */
export function show({ el }, id) {
  const e = el[id], stage = $("#stage"), box = $("#responses");
  e.focus({ preventScroll: true });
  if (onPhone() || id === "P") stage.scrollTop = 0;
  else {
    const left = e.offsetLeft, right = left + e.offsetWidth;
    if (left < stage.scrollLeft) stage.scrollLeft = left;
    if (right > stage.scrollLeft + stage.clientWidth) stage.scrollLeft = right - stage.clientWidth;
    if (stage.scrollTop > box.offsetTop) stage.scrollTop = box.offsetTop;
  }
  const bead = $(`.bead[data-go="${id}"]`);
  if (onPhone() && bead) bead.scrollIntoView({ block: "nearest", inline: "center" });
}

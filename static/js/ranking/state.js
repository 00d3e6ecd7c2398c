/* The ranking as pure functions: what is rated, which order that proposes, and how a move changes it.
   A task is {ids, max, best, confidence}: `best` is "high" for ratings 1 to 7, "low" where a project asks for places only;
   `confidence` says whether it asks how sure she is.
   A state is never changed; every function returns a new one, so that undo is a list of states.

   phase: rate -> order (lined up, proposed) -> ready (confirmed). `tiers` is null while the ratings alone decide.
   `sure` is true while she stands at the question how sure she is: digits then answer it. `flags.P` are the prompt's. */
import { t, tn } from "../translate.js";

export const fresh = (task) => ({ current: task.ids[0], phase: "rate", tiers: null, byHand: false, lined: false, ratings: {}, flags: {}, confidence: 0, sure: false });

export const unrated = (state, task) => task.ids.filter((id) => !state.ratings[id]);

/** Tiers that the ratings propose, best first. */
export function proposal(state, task) {
  const tiers = [];
  for (let n = 1; n <= task.max; n++) {
    const at = task.ids.filter((id) => state.ratings[id] === n);
    if (at.length) tiers.push(at);
  }
  return task.best === "high" ? tiers.reverse() : tiers;
}

export const tiersOf = (state, task) => state.tiers || proposal(state, task);

/** The order in which the columns stand. */
export const shown = (state, task) => (state.lined ? [...tiersOf(state, task).flat(), ...unrated(state, task)] : task.ids);

const sorted = (tier, task) => [...tier].sort((a, b) => task.ids.indexOf(a) - task.ids.indexOf(b));

/** A rating; the first one of a response walks on to the next that has none, if `walk`. */
export function rate(state, task, id, n, walk = true) {
  const first = !state.ratings[id], next = { ...state, ratings: { ...state.ratings, [id]: n } };
  if (state.phase !== "rate") {
    Object.assign(next, { phase: "order", sure: false });
    if (!state.byHand) next.tiers = proposal(next, task);
  } else if (first && walk) {
    const rest = unrated(next, task), at = task.ids.indexOf(id);
    next.current = rest.find((other) => task.ids.indexOf(other) > at) || rest[0] || id;
  }
  return next;
}

const moved = (state, task, tiers, current) => ({
  ...state, current, byHand: true, lined: true, phase: "order", sure: false,
  tiers: tiers.filter((tier) => tier.length).map((tier) => sorted(tier, task)),
});

/** One half step: out of a tie, or into a tie with the neighbour. -1 is better, 1 is worse. */
export function step(state, task, id, way) {
  const tiers = tiersOf(state, task).map((tier) => [...tier]), at = tiers.findIndex((tier) => tier.includes(id));
  if (tiers[at].length > 1) {
    tiers[at] = tiers[at].filter((other) => other !== id);
    tiers.splice(way < 0 ? at : at + 1, 0, [id]);
  } else if (tiers[at + way]) {
    tiers[at + way].push(id);
    tiers.splice(at, 1);
  } else return state;
  return moved(state, task, tiers, id);
}

/** Best of all (-1) or worst of all (1). */
export function toEnd(state, task, id, way) {
  const rest = tiersOf(state, task).map((tier) => tier.filter((other) => other !== id));
  return moved(state, task, way < 0 ? [[id], ...rest] : [...rest, [id]], id);
}

/** The whole order at once, as dragging leaves it. */
export function arrange(state, task, tiers, current) {
  const same = JSON.stringify(tiers.map((tier) => sorted(tier, task))) === JSON.stringify(tiersOf(state, task));
  return same ? { ...state, current } : moved(state, task, tiers, current);
}

export function toggleFlag(state, id, key, keys) {
  const on = new Set(state.flags[id] || []);
  if (!on.delete(key)) on.add(key);
  return { ...state, flags: { ...state.flags, [id]: keys.filter((known) => on.has(known)) } };
}

/** Asked how sure she is, and not answered yet. */
export const unsure = (state, task) => Boolean(task.confidence) && !state.confidence;

export const answer = (state, n) => ({ ...state, confidence: n, sure: true });

/** What the one blue button does now; `null` when the state stays and the ranking is to be sent. */
export function advance(state, task) {
  if (state.phase === "rate") {
    const rest = unrated(state, task);
    if (rest.length) return { ...state, current: rest[0] };
    const tiers = tiersOf(state, task);
    return { ...state, tiers, lined: true, phase: "order", current: tiers[0][0] };
  }
  if (state.phase === "order") return { ...state, phase: "ready", sure: unsure(state, task) };
  return unsure(state, task) ? { ...state, sure: true } : null;
}

/** The first response that stands above a better rated one, if she moved it there. */
export function contradiction(state, task) {
  if (!state.byHand || task.best !== "high") return undefined;
  const tiers = tiersOf(state, task);
  return tiers.flatMap((tier, at) => tier.map((id) => ({ id, at })))
    .find(({ id, at }) => tiers.slice(at + 1).flat().some((lower) => state.ratings[lower] > state.ratings[id]))?.id;
}

const ordinal = (n) => ({ 1: t("1st"), 2: t("2nd"), 3: t("3rd") })[n] || t("%(number)sth", { number: n });

/** id -> "2nd, 3 tied". */
export function places(tiers) {
  const names = {};
  let rank = 1;
  for (const tier of tiers) {
    for (const id of tier) names[id] = tier.length > 1 ? tn("%(place)s, %(count)s tied", "%(place)s, %(count)s tied", tier.length, { place: ordinal(rank) }) : ordinal(rank);
    rank += tier.length;
  }
  return names;
}

const beside = (state) => ({ prompt_flags: state.flags.P || [], confidence: state.confidence || null });

/** The body of a submission. */
export function submission(state, task, comment, seconds) {
  const ratings = {};
  for (const id of task.ids) {
    const flags = state.flags[id] || [];
    if (task.best === "high") ratings[id] = { overall: state.ratings[id], flags };
    else if (flags.length) ratings[id] = { flags };
  }
  return { tiers: tiersOf(state, task), ratings, ...beside(state), comment: comment.trim() || null, seconds };
}

/** What is kept of an unfinished ranking: in the words of a submission, and beside it what only this page knows. */
export function toDraft(state, task, comment, seconds) {
  const ratings = {};
  for (const id of task.ids) {
    const overall = task.best === "high" ? state.ratings[id] : undefined, flags = state.flags[id] || [];
    if (overall || flags.length) ratings[id] = { ...(overall && { overall }), flags };
  }
  const { current, phase, byHand, lined, sure } = state;
  return { tiers: state.tiers, ratings, ...beside(state), comment, page: { current, phase, byHand, lined, sure, seconds, places: task.best === "low" ? state.ratings : {} } };
}

/** The state of a draft, with all that does not fit this task left out. */
export function fromDraft(draft, task, flagKeys, promptKeys = []) {
  const state = fresh(task), page = draft.page || {}, known = (id) => task.ids.includes(id);
  for (const [id, rating] of Object.entries(draft.ratings || {})) {
    if (!known(id)) continue;
    if (task.best === "high" && rating.overall >= 1 && rating.overall <= task.max) state.ratings[id] = rating.overall;
    state.flags[id] = flagKeys.filter((key) => (rating.flags || []).includes(key));
  }
  for (const [id, place] of Object.entries(page.places || {})) if (known(id) && place >= 1 && place <= task.max) state.ratings[id] = place;
  const onPrompt = promptKeys.filter((key) => (draft.prompt_flags || []).includes(key));
  if (onPrompt.length) state.flags.P = onPrompt;
  if (task.confidence && draft.confidence >= 1 && draft.confidence <= 9) state.confidence = draft.confidence;
  if (known(page.current)) state.current = page.current;
  const tiers = (draft.tiers || []).map((tier) => tier.filter(known)).filter((tier) => tier.length);
  if (task.best === "low" && !page.phase && tiers.flat().length === task.ids.length) tiers.forEach((tier, at) => tier.forEach((id) => { state.ratings[id] = at + 1; }));
  if (tiers.flat().length === task.ids.length && !unrated(state, task).length)
    Object.assign(state, { tiers, lined: page.lined ?? true, byHand: page.byHand ?? true, phase: page.phase === "ready" ? "ready" : "order", sure: Boolean(task.confidence && page.sure) });
  return state;
}

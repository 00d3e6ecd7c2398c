/* The rail: the order in small. Beads are dragged with SortableJS: into a tier is a tie, between two tiers a place of its own. */
import { $, $$, make } from "../dom.js";
import { t } from "../translate.js";
import { unrated } from "./state.js";

let lists = [];

/** `arrange(tiers, id)` is called after a drag with the order as it was left. */
export function drawRail(view, state, tiers, arrange) {
  const { task, el, letter } = view, open = unrated(state, task), rail = $("#rail");
  const bead = (id) => {
    const classes = ["bead", state.current === id && "cur", (state.flags[id] || []).length && "flagged"].filter(Boolean).join(" ");
    const b = make("button", { className: classes, type: "button", dataset: { go: id } }, letter[id] || t("Prompt"));
    if (state.ratings[id] && task.best === "high") b.dataset.rating = state.ratings[id];
    b.setAttribute("aria-label", el[id].getAttribute("aria-label") || t("Prompt"));
    return b;
  };
  const group = (ids, kind) => {
    const tier = make("div", { className: `tier ${kind}` }, ...ids.map(bead));
    tier.setAttribute("role", "listitem");
    return tier;
  };
  const gap = (mark) => {
    const g = make("span", { className: "gap", dataset: { mark } });
    g.setAttribute("aria-hidden", "true");
    return g;
  };
  const parts = [group(["P"], "open phone")];
  if (tiers.length) parts.push(make("span", { className: "lab", textContent: t("Best") }), gap(""));
  tiers.forEach((tier, at) => parts.push(group(tier, state.phase === "ready" ? "firm" : "placed"), gap(at < tiers.length - 1 ? "›" : "")));
  if (open.length) parts.push(group(open, "open"));
  for (const list of lists) list.destroy();
  lists = [];
  rail.replaceChildren(...parts);
  if (!open.length && window.Sortable) sortable(rail, arrange);
}

function sortable(rail, arrange) {
  for (const place of $$(".tier.placed, .tier.firm, .gap", rail)) {
    lists.push(window.Sortable.create(place, {
      group: "beads", draggable: ".bead", animation: 0, forceFallback: true, fallbackOnBody: true, fallbackTolerance: 5,
      emptyInsertThreshold: 10, delay: 160, delayOnTouchOnly: true, touchStartThreshold: 4,
      ghostClass: "lift", fallbackClass: "carried", swapThreshold: 0.8,
      onStart: () => rail.classList.add("dragging"),
      onEnd: (event) => {
        rail.classList.remove("dragging");
        const tiers = $$(".tier.placed, .tier.firm, .gap", rail).map((list) => $$(".bead", list).map((b) => b.dataset.go)).filter((tier) => tier.length);
        // Sortable finishes its own work first; only then may the rail be drawn anew.
        setTimeout(() => arrange(tiers, event.item.dataset.go));
      },
    }));
  }
}

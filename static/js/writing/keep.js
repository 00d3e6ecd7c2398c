/* Keeps unfinished work in this browser alone, for pages that hold no task: edits of a response, prompts. */

export class BrowserKeeper {
  constructor(name) { this.name = `tutelage.kept.${name}`; }

  kept() {
    try { return JSON.parse(localStorage.getItem(this.name) || "null"); } catch { return null; }
  }

  /** Answers whether the browser took it. */
  keep(work) {
    try { localStorage.setItem(this.name, JSON.stringify(work)); return true; } catch { return false; }
  }

  forget() { try { localStorage.removeItem(this.name); } catch { /* Then it never kept anything. */ } }
}

/* Sends a label exactly once: one key a task, kept until the server has answered, so that any number of tries stores one row. */
import { t } from "../translate.js";
import { sentence } from "./lease.js";

const PAUSES = [400, 1500, 4000, 8000];

/** A random UUID; pages on plain http have no crypto.randomUUID. */
function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 15) | 64; b[8] = (b[8] & 63) | 128;
  const hex = [...b].map((n) => n.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function keyFor(at) {
  const name = `tutelage.key.${at}`;
  try {
    const kept = localStorage.getItem(name) || uuid();
    localStorage.setItem(name, kept);
    return { key: kept, forget: () => localStorage.removeItem(name) };
  } catch { return { key: uuid(), forget() {} }; }
}

/** Resolves to {next} when stored, or {problem, status} when the server refused. `waiting()` is called when the network fails.
    `at` is the address of the task, of the label that is edited, or of the response that is bettered. */
export async function send(at, label, waiting) {
  const { key, forget } = keyFor(at), body = JSON.stringify(label);
  for (let tries = 0; ; tries++) {
    let answer = null;
    try {
      answer = await fetch(`${at}/submission`, {
        method: "POST", body, redirect: "manual",
        headers: { "Content-Type": "application/json", Accept: "application/json", "Idempotency-Key": key },
      });
    } catch { /* No connection: wait and try the same again. */ }
    if (answer?.ok) { forget(); return answer.json(); }
    if (answer?.type === "opaqueredirect" || answer?.status === 401) return { status: 401, problem: t("You are signed out.") };
    if (answer && answer.status < 500 && answer.status !== 429) return { status: answer.status, problem: await sentence(answer) };
    waiting();
    await pause(PAUSES[Math.min(tries, PAUSES.length - 1)]);
  }
}

function pause(milliseconds) {
  return new Promise((go) => {
    const on = () => { clearTimeout(timer); removeEventListener("online", on); go(); };
    const timer = setTimeout(on, milliseconds);
    addEventListener("online", on);
  });
}

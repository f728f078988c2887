// The live stream: shows pops, takes them away, and keeps lists current.
// A frame carries the call's version: an older one never replaces a newer one.
import { hush, tell } from "./alert.js";
import { enhance as pieces } from "./pieces.js";

const pops = /** @type {HTMLElement} */ (document.getElementById("pops"));
const say = /** @type {HTMLElement} */ (document.getElementById("say"));
const lost = /** @type {HTMLElement} */ (document.getElementById("connection"));
const csrf = document.querySelector('meta[name="csrf"]')?.getAttribute("content") ?? "";
const title = document.title;

/** Greatest version shown or withdrawn, by call. @type {Map<string, number>} */
const seen = new Map();

export function start() {
  if (!pops) return;
  for (const pop of pops.children) {
    if (!(pop instanceof HTMLElement)) continue;
    adopt(pop);
    tell(pop, false);
  }
  const wanted = new URLSearchParams();
  if (document.querySelector("[data-watch]")) wanted.set("watch", "1");
  if (document.querySelector("[data-lists]")) wanted.set("lists", "1");
  const stream = new EventSource(`/live?${wanted}`);
  let warning = 0;
  stream.onopen = () => {
    clearTimeout(warning);
    lost.hidden = true;
  };
  stream.onerror = () => {
    clearTimeout(warning);
    warning = window.setTimeout(() => (lost.hidden = false), 3000);
  };
  stream.onmessage = (event) => hear(JSON.parse(event.data));
  stream.addEventListener("lists", () => refresh());
  document.addEventListener("submit", finish);
}

/** @param {any} frame */
function hear(frame) {
  if (frame.kind === "pop") show(frame.call, frame.version);
  else if (frame.kind === "withdraw") withdraw(frame.call, frame.version);
  else if (frame.kind === "lists") refresh();
  else if (frame.kind === "sync") sync(frame.pops);
}

/** Whatever is not in the list is over. @param {{call: string, version: number}[]} now */
function sync(now) {
  const calls = new Set(now.map((pop) => pop.call));
  for (const pop of [...pops.children]) {
    const call = pop instanceof HTMLElement ? pop.dataset.call ?? "" : "";
    if (!calls.has(call)) withdraw(call, (seen.get(call) ?? 0) + 1);
  }
  for (const pop of now) show(pop.call, pop.version);
  refresh();
}

/** @param {string} call */
const find = (call) => /** @type {HTMLElement | null} */ (pops.querySelector(`[data-call="${CSS.escape(call)}"]`));

/** @param {string} call @param {number} version */
async function show(call, version) {
  if ((seen.get(call) ?? 0) >= version && find(call)) return painted(call);
  if ((seen.get(call) ?? 0) > version) return;
  seen.set(call, version);
  const html = await panel(call);
  if (html === undefined) {
    // The network failed for a moment: asked again while this is still the newest.
    setTimeout(() => seen.get(call) === version && show(call, version), 1000);
    return;
  }
  if (html === "") return; // over meanwhile
  if ((seen.get(call) ?? 0) > version) return; // something newer came meanwhile
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const fresh = holder.content.firstElementChild;
  if (!(fresh instanceof HTMLElement)) return;
  const old = find(call);
  if (old) {
    keepTyped(old, fresh);
    old.replaceWith(fresh);
  } else {
    pops.prepend(fresh);
    say.textContent = fresh.dataset.say ?? "";
    flash(fresh.dataset.say ?? "");
  }
  adopt(fresh);
  tell(fresh, !old);
  painted(call);
}

/** The panel of a call; empty if it is over, undefined if the server cannot be reached.
 * @param {string} call */
async function panel(call) {
  try {
    const answer = await fetch(`/pops/${call}`, { headers: { accept: "text/html" } });
    if (answer.status >= 500) return undefined;
    return answer.status === 200 ? await answer.text() : "";
  } catch {
    return undefined;
  }
}

/** What was typed or chosen survives a fresher panel, and so does the place of the cursor.
 * @param {HTMLElement} old @param {HTMLElement} fresh */
function keepTyped(old, fresh) {
  const [before, after] = [old.querySelector("textarea"), fresh.querySelector("textarea")];
  if (before && after) {
    after.value = before.value;
    const folded = after.closest("details");
    if (folded && (before.value || before.closest("details")?.open)) folded.open = true;
    if (document.activeElement === before) queueMicrotask(() => after.focus());
  }
  const chosen = old.querySelector("input[type=radio]:checked");
  if (chosen instanceof HTMLInputElement) {
    const same = fresh.querySelector(`input[value="${CSS.escape(chosen.value)}"]`);
    if (same instanceof HTMLInputElement) same.checked = true;
  }
}

/** @param {HTMLElement} pop */
function adopt(pop) {
  seen.set(pop.dataset.call ?? "", Number(pop.dataset.version));
  pieces(pop);
  const hide = pop.querySelector("[data-hide]");
  if (hide instanceof HTMLButtonElement) {
    hide.hidden = false;
    hide.addEventListener("click", () => pop.remove());
  }
}

/** @param {string} call @param {number} version */
function withdraw(call, version) {
  if ((seen.get(call) ?? 0) > version) return;
  seen.set(call, version);
  hush(call);
  const pop = find(call);
  if (!pop) return;
  const typed = pop.querySelector("textarea")?.value;
  if (typed) {
    // Somebody is writing: the words stay until they are sent or hidden.
    pop.className = "pop over";
    pop.dataset.stage = "over";
  } else {
    pop.remove();
  }
  document.title = title;
}

/** Tells the server that the pop stands on the screen. @param {string} call */
function painted(call) {
  requestAnimationFrame(() =>
    setTimeout(() => {
      const body = new URLSearchParams({ call });
      fetch("/live/painted", { method: "POST", body, headers: { "x-csrf": csrf }, keepalive: true }).catch(() => {});
    })
  );
}

/** A tab in the background shows the caller in its title. @param {string} words */
function flash(words) {
  if (document.hidden && words) document.title = `● ${words}`;
}
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) document.title = title;
});

/** Results and notes are sent without leaving the page. @param {SubmitEvent} event */
async function finish(event) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.dataset.finish) return;
  event.preventDefault();
  const answer = await fetch(form.action, {
    method: "POST",
    body: new URLSearchParams(/** @type {any} */ (new FormData(form))),
    redirect: "manual",
  });
  if (answer.type !== "opaqueredirect" && !answer.ok) return form.submit(); // the page says why
  const pop = form.closest(".pop");
  form.reset();
  if (pop instanceof HTMLElement && ["wrap_up", "over"].includes(pop.dataset.stage ?? "")) pop.remove();
}

let due = 0;
/** Lists are read again at most four times a second, and never under somebody's hands. */
function refresh() {
  if (due) return;
  due = window.setTimeout(async () => {
    due = 0;
    for (const place of document.querySelectorAll("[data-refresh]")) {
      if (!(place instanceof HTMLElement) || place.contains(document.activeElement)) continue;
      const answer = await fetch(place.dataset.refresh ?? "").catch(() => undefined);
      if (answer?.status !== 200) continue; // the next change, or the next sync, reads it again
      place.innerHTML = await answer.text();
      pieces(place);
    }
  }, 250);
}

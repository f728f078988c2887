// Tells of one's own ringing phone outside the page: by a notification of the browser while no page of ours
// has the focus, and by a ring. Both are chosen in one's own settings, for this browser; where several pages
// are open, one of them tells. Never for calls that one only watches.

/** What can be chosen, with its place in the browser's memory. @type {Record<string, string>} */
const CHOICES = { notice: "ringcard-notice", ring: "ringcard-ring" };
/** Lock of the one page that tells. */
const TELLER = "ringcard-teller";
/** Lock of the pages that have the focus. */
const FOCUS = "ringcard-focus";
const EVERY_MS = 3000;
/** Nobody's phone rings longer; what was not heard to end must not ring for ever. */
const LONGEST_MS = 60000;

const icon = document.querySelector('link[rel="icon"]')?.getAttribute("href") ?? undefined;
const is = (/** @type {string} */ what) => localStorage.getItem(CHOICES[what]) === "1";

/** Without TLS a browser has no locks: then every page tells. */
let tells = !navigator.locks;
/** Notifications by call. @type {Map<string, Notification>} */
const notices = new Map();
/** Since when calls ring, by call. @type {Map<string, number>} */
const ringing = new Map();

export function start() {
  settings();
  if (!navigator.locks) return;
  // Held until the page goes.
  navigator.locks.request(TELLER, () => ((tells = true), new Promise(() => {})));
  addEventListener("focus", focused);
  if (document.hasFocus()) focused();
}

/** Others see that somebody looks, as long as he does. */
function focused() {
  navigator.locks.request(
    FOCUS,
    { mode: "shared" },
    () =>
      new Promise((done) => {
        if (!document.hasFocus()) return done(undefined);
        addEventListener("blur", () => done(undefined), { once: true });
      })
  );
}

async function isLookedAt() {
  if (!navigator.locks) return document.hasFocus();
  const { held } = await navigator.locks.query();
  return (held ?? []).some((lock) => lock.name === FOCUS);
}

/** A pop as it stands now; `isNew`: it has just come. @param {HTMLElement} pop @param {boolean} isNew */
export async function tell(pop, isNew) {
  const call = pop.dataset.call ?? "";
  if (pop.dataset.stage !== "ringing" || "watched" in pop.dataset) return hush(call);
  if (!ringing.has(call)) ringing.set(call, Date.now());
  if (isNew) sound();
  if (isNew && tells && is("notice") && !(await isLookedAt()) && ringing.has(call)) notify(call, pop.dataset.say ?? "");
}

/** The call does not ring any more. @param {string} call */
export function hush(call) {
  ringing.delete(call);
  notices.get(call)?.close();
  notices.delete(call);
}

/** @param {string} call @param {string} words */
function notify(call, words) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  try {
    const notice = new Notification(words, { tag: call, icon, silent: is("ring") });
    notice.onclick = () => (window.focus(), notice.close());
    notices.set(call, notice);
  } catch {
    // Browsers of telephones leave notifications to service workers.
  }
}

/** @type {AudioContext | undefined} */
let audio;

/** Two tones. A browser lets a page sound once somebody has clicked or typed in it. */
function beep() {
  audio ??= new AudioContext();
  audio.resume().catch(() => {});
  const at = audio.currentTime;
  for (const [n, hertz] of [660, 880].entries()) {
    const [tone, loudness] = [audio.createOscillator(), audio.createGain()];
    const from = at + n * 0.22;
    tone.frequency.value = hertz;
    loudness.gain.setValueAtTime(0.0001, from);
    loudness.gain.exponentialRampToValueAtTime(0.15, from + 0.02);
    loudness.gain.exponentialRampToValueAtTime(0.0001, from + 0.2);
    tone.connect(loudness).connect(audio.destination);
    tone.start(from);
    tone.stop(from + 0.2);
  }
}

function sound() {
  const since = Date.now() - LONGEST_MS;
  if (tells && is("ring") && [...ringing.values()].some((start) => start > since)) beep();
}
setInterval(sound, EVERY_MS);

/** The choices in one's own settings. */
function settings() {
  const place = document.querySelector("[data-alerts]");
  if (!(place instanceof HTMLElement)) return;
  place.hidden = false;
  const say = (/** @type {string} */ what) => {
    for (const hint of place.querySelectorAll("[data-alert-hint]")) {
      if (hint instanceof HTMLElement) hint.hidden = hint.dataset.alertHint !== what;
    }
  };
  for (const box of place.querySelectorAll("input")) {
    const what = box.dataset.alert ?? "";
    box.checked = is(what);
    box.addEventListener("change", async () => {
      if (box.checked && what === "notice") {
        if (!("Notification" in window)) say("insecure");
        else if ((await Notification.requestPermission()) !== "granted") say("denied");
        if (!("Notification" in window) || Notification.permission !== "granted") box.checked = false;
      }
      if (box.checked && what === "ring") beep();
      localStorage.setItem(CHOICES[what], box.checked ? "1" : "0");
    });
  }
}

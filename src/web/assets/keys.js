// Keys. Single letters can be switched off (WCAG 2.1.4) in one's own settings.

const OFF = "ringcard-keys-off";

export function start() {
  const choice = document.querySelector("[data-keys-off]");
  if (choice instanceof HTMLInputElement) {
    choice.checked = localStorage.getItem(OFF) === "1";
    choice.addEventListener("change", () => localStorage.setItem(OFF, choice.checked ? "1" : "0"));
  }
  document.addEventListener("keydown", press);
}

let gone = 0; // when "g" was pressed

/** The key by its place, so that it is the same in Russian and Latin layouts. @param {KeyboardEvent} event */
export function named(event) {
  const letter = /^Key([A-Z])$/.exec(event.code);
  if (letter) return letter[1].toLowerCase();
  if (event.key === "/" || event.key === "?") return event.key;
  if (event.code === "Slash") return event.shiftKey ? "?" : "/";
  if (event.code === "BracketLeft") return "[";
  if (event.code === "BracketRight") return "]";
  return event.key;
}

/** @param {KeyboardEvent} event */
function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target instanceof Element && event.target.closest("input, textarea, select, button, a, audio");
  if (event.key === "Escape") return escape();
  if (typing || localStorage.getItem(OFF) === "1") return;
  const go = Date.now() - gone < 1200;
  const key = named(event);
  gone = 0;
  if (go && key === "d") location.assign("/");
  else if (go && key === "j") location.assign("/calls");
  else if (key === "g") gone = Date.now();
  else if (key === "/") focus(event, document.querySelector('.top [data-key="/"]'));
  else if (key === "?") location.assign("/me#keys");
  else inPop(event);
}

/** Keys of the newest pop, or of the page if there is none. @param {KeyboardEvent} event */
function inPop(event) {
  const place = document.querySelector("#pops .pop") ?? document;
  const target = place.querySelector(`[data-key="${CSS.escape(named(event))}"]`);
  if (target instanceof HTMLAnchorElement) target.click();
  else if (target instanceof HTMLInputElement && target.type === "radio") target.checked = true;
  else if (target) focus(event, target);
}

/** @param {KeyboardEvent} event @param {Element | null} target */
function focus(event, target) {
  if (!(target instanceof HTMLElement)) return;
  event.preventDefault();
  const folded = target.closest("details");
  if (folded) folded.open = true;
  target.focus();
}

function escape() {
  if (document.activeElement instanceof HTMLTextAreaElement) return document.activeElement.blur();
  document.querySelector("#pops .pop")?.remove();
}

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

/** @param {KeyboardEvent} event */
function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target instanceof Element && event.target.closest("input, textarea, select, button, a, audio");
  if (event.key === "Escape") return escape();
  if (typing || localStorage.getItem(OFF) === "1") return;
  const go = Date.now() - gone < 1200;
  gone = 0;
  if (go && event.key === "d") location.assign("/");
  else if (go && event.key === "j") location.assign("/calls");
  else if (event.key === "g") gone = Date.now();
  else if (event.key === "/") focus(event, document.querySelector('.top [data-key="/"]'));
  else if (event.key === "?") location.assign("/me#keys");
  else inPop(event);
}

/** Keys of the newest pop, or of the page if there is none. @param {KeyboardEvent} event */
function inPop(event) {
  const place = document.querySelector("#pops .pop") ?? document;
  const target = place.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
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

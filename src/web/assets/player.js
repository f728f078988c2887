// The player: its own controls over the browser's audio element, the cursor on the drawing, keys.
import { named } from "./keys.js";
import { span } from "./pieces.js";

/** @param {ParentNode} root */
export function enhance(root) {
  for (const player of root.querySelectorAll("[data-player]")) {
    if (player instanceof HTMLElement) one(player);
  }
}

/** @param {HTMLElement} player */
function one(player) {
  const audio = /** @type {HTMLAudioElement} */ (player.querySelector("audio"));
  const controls = /** @type {HTMLElement} */ (player.querySelector(".controls"));
  const play = /** @type {HTMLButtonElement} */ (player.querySelector("[data-play]"));
  const seek = /** @type {HTMLInputElement} */ (player.querySelector("[data-seek]"));
  const speed = /** @type {HTMLSelectElement} */ (player.querySelector("[data-speed]"));
  const position = /** @type {HTMLElement} */ (player.querySelector("[data-position]"));
  const problem = /** @type {HTMLElement} */ (player.querySelector("[data-problem]"));
  const cursor = player.querySelector("[data-cursor]");
  const total = Number(player.dataset.duration) / 1000;
  audio.controls = false;
  controls.hidden = false;

  const toggle = () => (audio.paused ? audio.play().catch(() => (problem.hidden = false)) : audio.pause());
  const to = (/** @type {number} */ seconds) => (audio.currentTime = Math.min(Math.max(0, seconds), total));
  const faster = (/** @type {number} */ steps) => {
    speed.selectedIndex = Math.min(Math.max(0, speed.selectedIndex + steps), speed.options.length - 1);
    audio.playbackRate = Number(speed.value);
  };
  const draw = () => {
    const ms = audio.currentTime * 1000;
    seek.value = String(ms);
    seek.setAttribute("aria-valuetext", span(ms));
    position.textContent = span(ms);
    const x = String(total > 0 ? (audio.currentTime / total) * 1000 : 0);
    cursor?.setAttribute("x1", x);
    cursor?.setAttribute("x2", x);
    if (!audio.paused) requestAnimationFrame(draw);
  };
  const words = () => {
    play.textContent = (audio.paused ? play.dataset.wordsPlay : play.dataset.wordsPause) ?? "";
    draw();
  };

  play.addEventListener("click", toggle);
  speed.addEventListener("change", () => (audio.playbackRate = Number(speed.value)));
  seek.addEventListener("input", () => to(Number(seek.value) / 1000));
  for (const skip of player.querySelectorAll("[data-skip]")) {
    skip.addEventListener("click", () => to(audio.currentTime + Number(/** @type {HTMLElement} */ (skip).dataset.skip)));
  }
  player.querySelector("[data-waveform]")?.addEventListener("click", (event) => {
    const box = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
    to((/** @type {MouseEvent} */ (event).clientX - box.left) / box.width * total);
  });
  for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, words);
  audio.addEventListener("seeked", draw);
  audio.addEventListener("playing", () => (problem.hidden = true));
  audio.addEventListener("error", () => (problem.hidden = false));
  document.addEventListener("keydown", (event) => key(event, { player, audio, toggle, to, faster }));
}

/** Keys act on the player that plays or has the focus; on the first one otherwise.
 * @param {KeyboardEvent} event
 * @param {{player: HTMLElement, audio: HTMLAudioElement, toggle: () => unknown,
 *          to: (seconds: number) => unknown, faster: (steps: number) => void}} its */
function key(event, { player, audio, toggle, to, faster }) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target instanceof Element ? event.target : document.body;
  if (target.closest("textarea, select, input, a, #pops")) return;
  const inside = player.contains(target);
  if (target.closest("button") && (event.key === " " || event.key === "Enter")) return;
  if (!inside && document.querySelector("[data-player]") !== player) return;
  const step = event.shiftKey ? 30 : 5;
  if (event.key === " ") toggle();
  else if (event.key === "ArrowLeft") to(audio.currentTime - step);
  else if (event.key === "ArrowRight") to(audio.currentTime + step);
  else if (named(event) === "[") faster(-1);
  else if (named(event) === "]") faster(1);
  else return;
  event.preventDefault();
}

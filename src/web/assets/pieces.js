// Small pieces of markup that work better with script: copying, running clocks.

/** @param {ParentNode} root */
export function enhance(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    if (!(button instanceof HTMLButtonElement) || !navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy ?? "");
      const words = button.textContent;
      button.textContent = "✓";
      setTimeout(() => (button.textContent = words), 1200);
    });
  }
}

/** `0:07`, `12:45`, `1:02:03`. @param {number} ms */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}:${two(seconds % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

// Talks going on: the time since the answer, once a second.
setInterval(() => {
  for (const clock of document.querySelectorAll("[data-since]")) {
    if (clock instanceof HTMLElement) clock.textContent = span(Date.now() - Number(clock.dataset.since));
  }
}, 1000);

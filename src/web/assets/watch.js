// A test call watched live: the stream carries the steps as markup of our own server.

export function watch() {
  const steps = document.querySelector("[data-trace]");
  if (!(steps instanceof HTMLElement)) return;
  const isSeen = () => steps.querySelector('[data-step="pop"][data-standing="done"]') !== null;
  const wasSeen = isSeen();
  const stream = new EventSource(steps.dataset.trace ?? "");
  stream.onmessage = (event) => {
    steps.innerHTML = event.data;
    // The steps of the set-up around it stand differently now.
    if (!wasSeen && isSeen() && document.querySelector(".guide")) location.reload();
  };
}

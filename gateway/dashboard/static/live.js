// The first page by itself: calls under way as they are, and new figures where a call has ended.

const EVERY_MS = 2000;
// Figures are read again at most so often: a busy gateway has something new every time.
const ANEW_MS = 10000;

const page = document.getElementById("live");
let readAt = 0;

/** Put the page's own parts in anew, and draw its charts; what is open or focused stays so. */
async function renew() {
  readAt = Date.now();
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = made.getElementById("live");
  if (!fresh || page.contains(document.activeElement) || page.querySelector("details[open]")) return;
  page.dataset.newest = fresh.dataset.newest;
  page.replaceChildren(...fresh.childNodes);
  const charts = await import("./charts.js");
  await charts.draw(page);
}

/** Ask how many calls are under way, and which entry is the newest. */
async function look() {
  if (document.hidden) return;
  try {
    const answer = await fetch(page.dataset.live, { headers: { accept: "application/json" } });
    if (!answer.ok) return;
    const now = await answer.json();
    const shown = page.querySelector("[data-live-calls]");
    if (shown) shown.textContent = now.calls.toLocaleString("en");
    const isFirst = page.dataset.newest === "";
    if (now.newest !== page.dataset.newest && (isFirst || Date.now() - readAt > ANEW_MS)) await renew();
  } catch {
    // The gateway is away or starts anew: what is shown stays, and the next look may find it.
  }
}

setInterval(look, EVERY_MS);

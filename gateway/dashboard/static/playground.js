// Calls models through the gateway as any client does, side by side, and shows each answer as it comes.
//
// Answers are only ever text. The key stays in its field: it is sent in the header of a call, and put
// neither into an address nor anywhere that lasts. Calls leave the browser's own credentials out, so that
// the admin key, by which this page was opened, is never a client's key.

const TEXT_MAX = 200_000;
const LINE_MAX = 4_000_000;
const FAULT_MAX = 2_000;
// Entries reach the ledger a moment after the answer.
const LOOKS = 12;
const LOOK_MS = 500;
const CALLS = "/v1/chat/completions";

const form = document.getElementById("ask");
const panes = document.getElementById("panes");
const announced = document.getElementById("announced");
const complaint = document.getElementById("complaint");
const texts = document.getElementById("texts").content;
const key = document.getElementById("key");
const running = new Set();

/** Return one of the texts that the page brought with it. */
function text(name) {
  return texts.querySelector(`[data-text="${name}"]`).textContent;
}

/** Return milliseconds as people read them. */
function took(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** One answer on the page. */
class Pane {
  constructor(model) {
    this.model = model;
    this.root = document.getElementById("pane").content.cloneNode(true).firstElementChild;
    this.stopper = new AbortController();
    this.length = { text: 0, reasoning: 0 };
    this.began = performance.now();
    this.finish = "";
    const heading = this.part("asked");
    heading.textContent = model;
    heading.id = `pane-${panes.childElementCount}`;
    this.root.setAttribute("aria-labelledby", heading.id);
    this.button = this.root.querySelector("[data-act=stop]");
    this.button.addEventListener("click", () => this.stopper.abort());
    this.state("waiting");
    panes.append(this.root);
  }

  part(name) {
    return this.root.querySelector(`[data-of="${name}"]`);
  }

  /** Say how it is: of the words for all states the page shows one. */
  state(name) {
    this.root.dataset.state = name;
    for (const words of this.root.querySelectorAll("[data-when]")) words.hidden = words.dataset.when !== name;
  }

  set(name, words) {
    if (words !== null && words !== "") this.part(name).textContent = words;
  }

  /** Add to the answer, or to its reasoning; what is over the bound is left out, and that is said. */
  add(name, words) {
    if (!words) return;
    const place = this.part(name);
    const room = TEXT_MAX - this.length[name];
    if (words.length > room) this.part("too-long").hidden = false;
    if (room <= 0) return;
    const atEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 8;
    if (!place.firstChild) place.append(document.createTextNode(""));
    place.firstChild.appendData(words.slice(0, room));
    this.length[name] += Math.min(words.length, room);
    if (atEnd) place.scrollTop = place.scrollHeight;
  }

  /** Show what the gateway's headers say of whoever answers. */
  head(headers) {
    this.id = headers.get("x-entrepot-request-id") ?? "";
    this.attempts = Number(headers.get("x-entrepot-attempts") ?? 0);
    this.set("route", headers.get("x-entrepot-route"));
    this.set("operator", headers.get("x-entrepot-operator"));
    if (this.attempts) this.set("attempts", String(this.attempts));
    const lane = headers.get("x-entrepot-lane");
    const words = lane && this.root.querySelector(`template[data-lane="${CSS.escape(lane)}"]`);
    this.set("lane", words ? words.content.textContent : lane);
    const lost = headers.get("x-entrepot-lost");
    this.part("lost").hidden = !lost;
    this.set("lost-fields", lost);
  }

  fault(code, message) {
    this.part("fault").hidden = false;
    this.set("code", String(code ?? "").slice(0, FAULT_MAX));
    this.set("message", String(message ?? "").slice(0, FAULT_MAX));
  }

  /** End it: times stand, and who listens is told once. */
  end(state) {
    this.state(state);
    if (document.activeElement === this.button) this.part("asked").focus();
    this.button.hidden = true;
    busy();
    this.set("whole", took(performance.now() - this.began));
    // Where nobody was asked there is nothing to tell of them.
    this.root.querySelector("dl").hidden = state === "failed" && !this.attempts;
    const line = document.createElement("p");
    const said = { stopped: "stopped_said", cut: "cut_said", failed: "failed_said" }[state] ?? "ended_said";
    line.textContent = text(said).replace("{model}", this.model);
    announced.append(line);
  }
}

/** Return the pieces of text in what a host sends as content: text, or a list of parts. */
function pieces(content, kind) {
  if (typeof content === "string") return kind === "text" ? content : "";
  if (!Array.isArray(content)) return "";
  const fitting = content.filter((part) => part && (part.type ?? "text") === kind);
  return fitting.map((part) => (typeof part[kind] === "string" ? part[kind] : pieces(part[kind], "text"))).join("");
}

/** Take one event of a stream. */
function take(pane, event) {
  if (event.error) {
    pane.fault(event.error.code ?? event.error.type, event.error.message);
    pane.failed = true;
    return;
  }
  const choice = event.choices?.[0];
  if (!choice) return;
  const delta = choice.delta ?? {};
  const thought = [delta.reasoning_content, delta.reasoning].find((one) => typeof one === "string" && one) ?? "";
  const reasoning = thought + pieces(delta.content, "thinking");
  if (reasoning) pane.part("thinking").hidden = false;
  pane.add("reasoning", reasoning);
  const words = pieces(delta.content, "text") || (typeof delta.refusal === "string" ? delta.refusal : "");
  if (words && pane.first === undefined) {
    pane.first = performance.now() - pane.began;
    pane.set("first", took(pane.first));
    pane.state("answering");
  }
  pane.add("text", words);
  if (choice.finish_reason) pane.finish = choice.finish_reason;
}

/** Read a stream to its end; true where it ended as streams do. */
async function read(pane, answer) {
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let isDone = false;
  for (;;) {
    const { done, value } = await reader.read();
    rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
    const lines = rest.split("\n");
    rest = done ? "" : lines.pop();
    if (rest.length > LINE_MAX) throw new Error("a line without an end");
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") isDone = true;
      else if (data) take(pane, JSON.parse(data));
    }
    if (done) return isDone || pane.finish !== "";
  }
}

/** Show why the gateway did not answer: errors come in the form of the wire. */
async function refused(pane, answer) {
  let told = {};
  try {
    told = (await answer.json()).error ?? {};
  } catch {
    // Some proxy between: its status has to do.
  }
  pane.fault(told.code ?? told.type ?? answer.status, told.message ?? answer.statusText);
  pane.end("failed");
}

/** Make one call, and show it from the first word to what it cost. */
async function ask(pane, request) {
  let answer;
  try {
    answer = await fetch(CALLS, { ...request, signal: pane.stopper.signal });
  } catch {
    if (!pane.stopper.signal.aborted) pane.fault("", text("unreachable"));
    return pane.end(pane.stopper.signal.aborted ? "stopped" : "failed");
  }
  pane.head(answer.headers);
  if (!answer.ok) {
    await refused(pane, answer);
  } else {
    try {
      const isWhole = await read(pane, answer);
      const ways = { length: "longest", content_filter: "filtered" };
      pane.end(pane.failed ? "failed" : isWhole ? (ways[pane.finish] ?? "ended") : "cut");
      if (isWhole && !pane.length.text && !pane.failed) pane.set("text", text("nothing"));
    } catch {
      pane.end(pane.stopper.signal.aborted ? "stopped" : "cut");
      // What may still come of it is not waited for.
      pane.stopper.abort();
    }
  }
  return booked(pane);
}

/** Show what the ledger has of a call; it is asked again until all attempts are there. */
async function booked(pane) {
  if (!pane.id || !pane.attempts) return;
  const address = new URL(form.dataset.outcome, location.href);
  address.searchParams.set("id", pane.id);
  let found = null;
  for (let look = 0; look < LOOKS && pane.root.isConnected; look += 1) {
    if (look) await new Promise((resolve) => { setTimeout(resolve, LOOK_MS); });
    try {
      const answer = await fetch(address, { headers: { accept: "application/json" } });
      if (answer.ok) found = await answer.json();
    } catch {
      // The gateway is away for a moment: the next look may find it.
    }
    if (found?.found) show(pane, found);
    if (found?.found && found.attempts >= pane.attempts) return;
  }
  if (!found?.found) pane.part("unbooked").hidden = false;
}

/** Put what the ledger says into a pane. */
function show(pane, found) {
  const cost = document.createElement("data");
  cost.value = found.exact;
  cost.title = found.exact;
  cost.textContent = found.cost;
  pane.part("cost").replaceChildren(cost);
  const counts = [found.tokens_in, found.tokens_out].map((one) => one.toLocaleString("en")).join(" / ");
  pane.set("tokens", found.usage ? `${counts} (${found.usage})` : counts);
  pane.set("route", found.route);
  pane.set("served", found.served);
  pane.set("operator", found.operator.replaceAll(",", ", "));
  pane.set("place", found.place.replaceAll(",", ", "));
  pane.set("attempts", String(found.attempts));
  const link = pane.part("link");
  link.href = found.link;
  link.hidden = false;
}

/** Return the headers of the calls; throws where one holds what no header can. */
function headersOf() {
  const headers = new Headers({ "content-type": "application/json" });
  const given = { "x-entrepot-label": value("label"), "x-entrepot-tags": value("tags") };
  if (key?.value) given.authorization = `Bearer ${key.value.trim()}`;
  for (const [name, words] of Object.entries(given)) if (words) headers.set(name, words);
  return headers;
}

function value(id) {
  return document.getElementById(id).value.trim();
}

/** Ask each chosen model, all at once. */
async function send() {
  complaint.textContent = "";
  if (!value("prompt")) {
    complaint.textContent = text("no_prompt");
    document.getElementById("prompt").focus();
    return;
  }
  let headers;
  try {
    headers = headersOf();
  } catch {
    complaint.textContent = text("not_a_header");
    return;
  }
  const messages = [{ role: "user", content: document.getElementById("prompt").value }];
  if (value("system")) messages.unshift({ role: "system", content: document.getElementById("system").value });
  const longest = Number(value("longest"));
  const models = [...form.querySelectorAll("[data-model]")].map((field) => field.value).filter(Boolean);
  panes.replaceChildren();
  announced.replaceChildren();
  const calls = models.map(async (model) => {
    const body = { model, messages, stream: true, stream_options: { include_usage: true } };
    if (longest) body.max_tokens = longest;
    const pane = new Pane(model);
    running.add(pane);
    busy();
    try {
      const request = { method: "POST", headers, body: JSON.stringify(body), credentials: "omit" };
      await ask(pane, { ...request, cache: "no-store", referrerPolicy: "no-referrer" });
    } finally {
      running.delete(pane);
      busy();
    }
  });
  await Promise.all(calls);
}

/** Let nothing be sent while calls are under way, and let all of them be stopped. */
function busy() {
  const isBusy = [...running].some((pane) => !pane.button.hidden);
  document.getElementById("send").setAttribute("aria-disabled", String(isBusy));
  document.getElementById("stop-all").hidden = !isBusy || running.size < 2;
  return isBusy;
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!busy()) send();
});
form?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
document.getElementById("stop-all")?.addEventListener("click", () => running.forEach((pane) => pane.stopper.abort()));
// A page that is left, or kept to come back to, has no key in it any more.
addEventListener("pagehide", () => { if (key) key.value = ""; });
document.getElementById("no-script").hidden = true;
if (form) form.hidden = false;

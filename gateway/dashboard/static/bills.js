// The form of the page of bills: reads the files here, sends them, and puts the answer into the page.
//
// The answer is the whole page as the server makes it; its parts take the places of the same parts here.
// Nothing that is typed in gets into an address.

const form = document.getElementById("bill");
const kind = document.getElementById("kind");
const faults = document.getElementById("faults");
const status = document.getElementById("bill-status");
const texts = document.getElementById("bill-texts").content;
const PARTS = ["faults", "result", "kept"];

/** Return one of the texts that the page brought with it. */
function text(name) {
  return texts.querySelector(`[data-text="${name}"]`).textContent;
}

/** Show the fields that the chosen kind of bill has. */
function choose() {
  const { dataset } = kind.selectedOptions[0];
  const isBalance = "balance" in dataset;
  const shown = { balance: isBalance, days: !isBalance, "no-days": !("days" in dataset) };
  for (const field of form.querySelectorAll("[data-only]")) field.hidden = !shown[field.dataset.only];
  for (const about of form.querySelectorAll("[data-kind]")) about.hidden = about.dataset.kind !== kind.value;
}

/** Say beside the form what is wrong. */
function complain(words) {
  const line = document.createElement("p");
  line.className = "wrong";
  line.textContent = words;
  faults.replaceChildren(line);
}

/** Return the files of the fields that are shown, in their order. */
function chosen() {
  const fields = [...form.querySelectorAll("input[type=file]")].filter((field) => !field.closest("[hidden]"));
  return fields.flatMap((field) => [...field.files]);
}

/** Return a file's content in base64. */
function encoded(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    // An empty file has no comma and no content.
    if (file.size) reader.readAsDataURL(file);
    else resolve("");
  });
}

/** Return what a field holds, "" where it is not shown. */
function value(id) {
  const field = document.getElementById(id);
  return field.closest("[hidden]") ? "" : field.value.trim();
}

/** Return what is sent; throws what the browser says of a file that it cannot read. */
async function question(files) {
  const made = [];
  for (const file of files) made.push({ name: file.name, content: await encoded(file) });
  return {
    kind: kind.value,
    files: made,
    providers: [...form.querySelectorAll(".whose input:checked")].map((box) => box.value),
    keys: value("bill-keys").split("\n").map((line) => line.trim()).filter(Boolean),
    since: value("since"),
    until: value("until"),
  };
}

/** Put the parts of an answer into the page; false where the answer is no page of bills. */
function put(html) {
  const made = new DOMParser().parseFromString(html, "text/html");
  if (!PARTS.every((id) => made.getElementById(id))) return false;
  for (const id of PARTS) {
    const here = document.getElementById(id);
    const fresh = made.getElementById(id);
    // What was found before stays where nothing new was.
    if (id !== "result" || fresh.childElementCount) here.replaceChildren(...fresh.childNodes);
    if (fresh.dataset.at) history.replaceState(null, "", fresh.dataset.at);
  }
  return true;
}

/** Send the bill, and show what comes of it or what is wrong. */
async function send() {
  faults.replaceChildren();
  const files = chosen();
  if (!files.length) return complain(text("no-file"));
  if (files.reduce((sum, file) => sum + file.size, 0) > Number(form.dataset.most)) return complain(text("too-large"));
  let body;
  try {
    body = JSON.stringify(await question(files));
  } catch {
    return complain(text("unread"));
  }
  try {
    const headers = { "content-type": "application/json", [form.dataset.header]: form.dataset.page };
    const answer = await fetch(form.dataset.to, { method: "POST", headers, body });
    if (!put(await answer.text())) complain(`${text("no-answer")} (${answer.status})`);
  } catch {
    return complain(text("no-answer"));
  }
  return document.getElementById("found")?.focus();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  if (button.disabled) return;
  button.disabled = true;
  status.textContent = text("busy");
  await send();
  button.disabled = false;
  status.textContent = faults.childElementCount ? "" : text("done");
});

kind.addEventListener("change", choose);
choose();
document.getElementById("no-script").hidden = true;
form.hidden = false;

// A form that is looked at as it is filled in: rows, faults at their fields, and who could read it.
const PAUSE_MS = 500;
const form = document.getElementById("compose");

// -- rows ---------------------------------------------------------------------------------------

const NAMED = ["id", "name", "for", "data-field", "data-rows", "data-told", "data-pick", "aria-describedby"];

function renumber(part, from, to) {
  for (const each of part.querySelectorAll("*")) {
    for (const name of NAMED) {
      const said = each.getAttribute(name);
      if (said?.includes(from)) each.setAttribute(name, said.replaceAll(from, to));
    }
    if (each instanceof HTMLTemplateElement) renumber(each.content, from, to);
  }
}

function add(rows) {
  const list = rows.querySelector(":scope > [data-list]");
  const at = rows.dataset.rows;
  const taken = [...list.children].map((row) => Number(row.dataset.field.slice(at.length + 1)));
  const next = taken.length === 0 ? 0 : Math.max(...taken) + 1;
  const made = rows.querySelector(":scope > template").content.cloneNode(true);
  renumber(made, `${at}/-`, `${at}/${next}`);
  list.append(made);
  list.lastElementChild.querySelector("input, select, textarea")?.focus();
}

form.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches("[data-add]")) add(button.closest("[data-rows]"));
  if (button?.matches("[data-remove]")) {
    button.closest("[data-each]").remove();
    soon();
  }
});

// -- faults and readers ---------------------------------------------------------------------------

function list(id, texts) {
  const place = document.getElementById(id);
  place.replaceChildren(...texts.map((text) => {
    const item = document.createElement("li");
    item.append(text);
    return item;
  }));
  if (place.parentElement !== form.querySelector("aside")) place.parentElement.hidden = texts.length === 0;
}

function jump({ at, label }) {
  const link = document.createElement("a");
  link.href = `#${at}`;
  link.textContent = label;
  return link;
}

const controlsOf = (field) => (field.matches(".field:not(fieldset)")
  ? field.querySelectorAll("input, select, textarea") : field.matches("fieldset.field") ? [field] : []);

function clear() {
  for (const place of form.querySelectorAll(".problem")) {
    place.replaceChildren();
    place.hidden = true;
  }
  for (const each of form.querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
}

function fieldOf(at) {
  for (let above = at; above; above = above.slice(0, above.lastIndexOf("/"))) {
    const found = form.querySelector(`[data-field="${CSS.escape(above)}"]`);
    if (found) return found;
  }
  return null;
}

function blame({ at, what, next }) {
  const field = fieldOf(at);
  const place = document.getElementById(field ? `${field.dataset.field}:bad` : "other");
  const line = document.createElement("p");
  line.textContent = `${what} ${next}`;
  place.append(line);
  place.hidden = false;
  for (const each of field ? controlsOf(field) : []) each.setAttribute("aria-invalid", "true");
  for (let above = field; above; above = above.parentElement?.closest("details")) {
    if (above instanceof HTMLDetailsElement) above.open = true;
  }
}

function tell(told, only) {
  if (!only) {
    clear();
    told.problems.forEach(blame);
  }
  for (const place of form.querySelectorAll("[data-told]")) {
    place.textContent = told.positions[place.dataset.told] ?? "";
  }
  const summary = document.getElementById("readers-summary");
  if (told.summary && summary.textContent !== told.summary) summary.textContent = told.summary;
  document.getElementById("bar-readers").textContent = summary.textContent;
  const left = document.getElementById("bar-left");
  left.textContent = told.left;
  left.hidden = told.missing.length === 0;
  if (!left.hidden) left.href = `#${told.missing[0].at}`;
  document.getElementById("unfinished").hidden = !told.summary || told.missing.length === 0;
  for (const name of ["readers", "left_out", "withheld", "releasers", "warnings"]) list(name, told[name]);
  list("missing", told.missing.map(jump));
}

// -- as one types -----------------------------------------------------------------------------------

let timer = 0;
let asked = 0;

// What is typed here is kept no more: the draft went, or another window wrote in it.
function stale({ what, next }) {
  const place = document.getElementById("stale");
  place.textContent = `${what} ${next}`;
  place.hidden = false;
}

// `only`: look, and keep nothing: nothing was typed yet.
async function check(only) {
  const mine = ++asked;
  try {
    const body = new URLSearchParams(new FormData(form));
    if (only) body.set("only", "look");
    const answer = await fetch(form.dataset.check, { method: "POST", body });
    if (answer.status === 409) return void stale(await answer.json());
    if (!answer.ok) return;
    const told = await answer.json();
    // An older answer may come after a newer one.
    if (mine !== asked) return;
    if (!only) form.elements.namedItem("changed").value = told.changed;
    // What was on its way may have come back since.
    document.getElementById("stale").hidden = true;
    tell(told, only);
    if (!only) keepPlace();
  } catch {
    // The page says by itself that the program does not answer.
  }
}

// Kept from the first check on: a reload, and the other language, come back to it.
function keepPlace() {
  const here = form.dataset.here;
  if (location.pathname + location.search === here) return;
  history.replaceState(null, "", here);
  const other = document.getElementById("language");
  if (other) other.href = `/${other.hreflang}/${here.split("/").slice(2).join("/")}`;
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(check, PAUSE_MS, false);
}

form.addEventListener("input", soon);
form.addEventListener("submit", () => clearTimeout(timer));
document.getElementById("summary")?.focus();
check(true);

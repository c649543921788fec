// The page around the steps: picks a file, says what became of each step, in Spanish and in English.
import { hearing } from "./hearing.mjs";
import { judge } from "./verify.mjs";

const MARKS = { held: "✓", absent: "–", failed: "✗", "not-reached": "…" };

const at = (id) => document.getElementById(id);
const made = (tag, text = "", ...inside) => {
  const element = document.createElement(tag);
  element.textContent = text;
  element.append(...inside);
  return element;
};
let lang = "es", report = null, fault = "", run = 0, SAID, PAGE, heard;
const word = (name) => PAGE[name][lang];
const zulu = (ms) => new Date(ms).toISOString().replace("T", " ").replace(/\.\d+/, "");

function speak(wanted) {
  lang = wanted;
  document.documentElement.lang = lang;
  document.title = word("title");
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = word(element.dataset.word);
  }
  for (const button of document.querySelectorAll("[data-lang]")) {
    button.setAttribute("aria-pressed", String(button.dataset.lang === lang));
  }
  show();
}

function stepOf({ number, name, verdict, count }) {
  const said = SAID[name][lang], sentence = said[verdict] || word(verdict), item = made("li");
  const mark = made("span", MARKS[verdict]), title = made("code", name);
  const many = count > 1 ? ` (${count})` : "";
  mark.className = "mark";
  mark.setAttribute("aria-hidden", "true");
  item.className = verdict;
  item.value = number;
  item.append(mark, " ", title, " ", made("strong", word(verdict)), `: ${sentence}${many}`);
  return item;
}

function verdictOf({ ok, isAnchored, steps }) {
  if (!ok) return ["failed", `${word("tampered")} ${steps.find(({ verdict }) => verdict === "failed").name}`];
  return isAnchored ? ["held", word("holds")] : ["unanchored", word("unanchored")];
}

function factsOf({ header, node, index, takenMs, size, acknowledgements = [] }) {
  const told = ({ endpoint, outcome, at: when }) => `${endpoint} ${outcome} ${zulu(when * 1000)}`;
  const said = acknowledgements.map(told);
  const rows = [
    ["id", header.id], ["by", header.endpoint], ["to", header.to.join(", ")],
    ["type", `${header.type} ${header.verb} (${header.status})`], ["issued", zulu(header.issued * 1000)],
    ["taken", zulu(takenMs)], ["where", `${index} · exchange/${node} · ${size}`],
    ["acks", said.join("; ") || word("none")],
  ];
  return rows.flatMap(([name, value]) => [made("dt", word(name)), made("dd", value)]);
}

function show() {
  const status = at("verdict"), { ok, steps = [], found = {} } = report ?? {};
  const [kind, sentence] = report ? verdictOf(report) : ["", fault && word(fault)];
  status.className = kind;
  status.textContent = sentence;
  at("steps").replaceChildren(...steps.map(stepOf));
  at("facts").replaceChildren(...(ok ? factsOf(found) : []));
  at("about").hidden = !ok;
  at("sealed").hidden = !(ok && found.text !== undefined);
  at("text").textContent = (ok && found.text) || "";
  const is = ok ? found.header.status : "actual", warning = at("exercise");
  warning.hidden = is === "actual";
  warning.textContent = is === "actual" ? "" : word(is);
}

function clear() {   // what was said is of another file or fingerprint, and what runs is as well
  run += 1;
  [report, fault] = [null, ""];
  show();
}

async function check(event) {
  event.preventDefault();
  clear();
  const mine = run;
  const [file] = at("package").files, told = at("anchor").value.trim();
  const anchor = told && heard(told);
  at("anchor").setAttribute("aria-invalid", String(anchor === null));
  if (anchor === null) fault = "no-fingerprint";
  else if (!file) fault = "no-file";
  show();
  if (fault) return;
  at("verdict").textContent = word("working");
  let found = null, trouble = "";
  try {
    const raw = new Uint8Array(await file.arrayBuffer());
    // One step at a time, so that the page can be drawn between them.
    found = await judge(raw, anchor || null, () => new Promise((done) => { setTimeout(done); }));
  } catch { trouble = "unreadable"; }
  if (mine !== run) return;
  [report, fault] = [found, trouble];
  show();
}

async function read() {   // a fingerprint from a text file
  const [file] = at("anchor-file").files;
  if (file && file.size < 4096) at("anchor").value = (await file.text()).trim();
  clear();
}

// What is said comes from the generator: of the steps, what the exchange's own command says.
export function begin({ said, page, lists }) {
  [SAID, PAGE, heard] = [said, page, hearing(lists)];
  if (typeof document === "undefined") {   // under test, without a browser
    globalThis.exchangeEvidence = { judge, heard };
    return;
  }
  at("form").addEventListener("submit", check);
  at("package").addEventListener("change", clear);
  at("anchor").addEventListener("input", clear);
  at("anchor-file").addEventListener("change", read);
  for (const button of document.querySelectorAll("[data-lang]")) {
    button.addEventListener("click", () => speak(button.dataset.lang));
  }
  speak((navigator.language || "es").startsWith("en") ? "en" : "es");
}

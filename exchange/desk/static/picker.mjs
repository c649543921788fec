// A position picked on the map, by pointer or keys: the cross stays in the middle, the map moves under it.
import { made, projection } from "./mercator.mjs";

const STEPS = [10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02]; // degrees between lines
const LEAST = 4; // units from side to side: as near as one can go
const FEWEST = { Point: 1, LineString: 2, Polygon: 3 };
const dialog = document.getElementById("picker");
const box = document.getElementById("pick-map");
const svg = box.querySelector("svg");
const said = document.getElementById("pick-said");
const [WEST, NORTH, DEGREE] = ["west", "north", "perDegree"].map((name) => Number(dialog.dataset[name]));
const { xOf, yOf, lonOf, latOf } = projection(WEST, NORTH, DEGREE);
const WHOLE = { width: xOf(-55), height: yOf(-12) };
const AT_FIRST = { lon: -79.5, lat: 8.5, width: 10 * DEGREE };
const view = { x: 0, y: 0, width: 0 }; // its middle
let points = [];
let opener = null;
let isLoaded = false;

const kind = () => dialog.querySelector("[name=pick-kind]:checked")?.value ?? "Point";
const ratio = () => svg.clientWidth / svg.clientHeight || 1.8;
const within = (value, least, most) => Math.min(Math.max(value, least), most);

// -- positions as sailors write them --------------------------------------------------------------

function half(degrees, letters, digits) {
  const thousandths = Math.round(Math.abs(degrees) * 60_000);
  const whole = String(Math.floor(thousandths / 60_000)).padStart(digits, "0");
  const minutes = ((thousandths % 60_000) / 1000).toFixed(3).padStart(6, "0");
  return `${whole}°${minutes}' ${degrees < 0 ? letters[1] : letters[0]}`;
}

const told = ({ x, y }) =>
  `${half(latOf(y), ["N", "S"], 2)} ${half(lonOf(x), [...dialog.dataset.letters], 3)}`;

const WRITTEN = /(\d+)°([\d.]+)' ([NS]) (\d+)°([\d.]+)' ([EWO])/g;

function read(text) {
  return [...text.matchAll(WRITTEN)].map(([, lat, south, ns, lon, west, ew]) => ({
    x: xOf((Number(lon) + Number(west) / 60) * (ew === "E" ? 1 : -1)),
    y: yOf((Number(lat) + Number(south) / 60) * (ns === "N" ? 1 : -1)),
  }));
}

// -- drawing ----------------------------------------------------------------------------------------

function look(x, y, width) {
  view.width = within(width, LEAST, WHOLE.width);
  view.x = within(x, 0, WHOLE.width);
  view.y = within(y, 0, WHOLE.height);
  draw();
}

function draw() {
  const high = view.width / ratio();
  const unit = view.width / (svg.clientWidth || 600);
  svg.setAttribute("viewBox", [view.x - view.width / 2, view.y - high / 2, view.width, high].join(" "));
  const at = (name, { x, y }) => {
    document.getElementById(name).setAttribute("transform", `translate(${x} ${y}) scale(${unit})`);
  };
  at("pick-cross", view);
  document.getElementById("pick-grid").replaceChildren(...lines(high));
  const shown = points.map((point, place) => {
    const node = made("g", { class: "put", transform: `translate(${point.x} ${point.y}) scale(${unit})` });
    node.append(made("circle", { r: 6 }), made("text", { x: 9, y: 4 }, String(place + 1)));
    return node;
  });
  if (points.length > 1 && kind() !== "Point") {
    const path = points.map(({ x, y }, place) => `${place ? "L" : "M"}${x} ${y}`).join("");
    const isArea = kind() === "Polygon";
    shown.unshift(made("path", { class: isArea ? "area" : "track", d: isArea ? `${path}Z` : path }));
  }
  document.getElementById("pick-drawn").replaceChildren(...shown);
  document.getElementById("pick-at").textContent = told(view);
}

function lines(high) {
  const step = STEPS.find((each) => view.width / DEGREE / each >= 4) ?? STEPS.at(-1);
  const found = [];
  const [left, right] = [view.x - view.width / 2, view.x + view.width / 2];
  const [top, foot] = [view.y - high / 2, view.y + high / 2];
  for (let i = Math.ceil(lonOf(left) / step); i * step <= lonOf(right); i += 1) {
    found.push(made("line", { x1: xOf(i * step), x2: xOf(i * step), y1: top, y2: foot }));
  }
  for (let i = Math.ceil(latOf(foot) / step); i * step <= latOf(top); i += 1) {
    found.push(made("line", { y1: yOf(i * step), y2: yOf(i * step), x1: left, x2: right }));
  }
  return found;
}

function list() {
  const rows = points.map((point) => {
    const row = document.createElement("li");
    row.textContent = told(point);
    return row;
  });
  document.getElementById("pick-points").replaceChildren(...rows);
  said.textContent = "";
  draw();
}

// -- acting -------------------------------------------------------------------------------------------

function put(point) {
  points = kind() === "Point" ? [point] : [...points, point];
  list();
}

const acts = {
  in: () => look(view.x, view.y, view.width / 1.6),
  out: () => look(view.x, view.y, view.width * 1.6),
  all: () => look(WHOLE.width / 2, WHOLE.height / 2, WHOLE.width),
  put: () => put({ x: view.x, y: view.y }),
  back: () => {
    points = points.slice(0, -1);
    list();
  },
};
const KEYS = { "+": "in", "=": "in", "-": "out", 0: "all", Enter: "put", " ": "put", Backspace: "back" };
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

box.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const move = MOVES[event.key];
  if (!move && !KEYS[event.key]) return;
  event.preventDefault();
  if (!move) return acts[KEYS[event.key]]();
  const step = view.width / (event.shiftKey ? 400 : 20);
  look(view.x + move[0] * step, view.y + move[1] * step, view.width);
});
for (const button of dialog.querySelectorAll("[data-pick-act]")) {
  button.addEventListener("click", acts[button.dataset.pickAct]);
}
for (const each of dialog.querySelectorAll("[name=pick-kind]")) {
  each.addEventListener("change", () => {
    if (kind() === "Point") points = points.slice(-1);
    list();
  });
}
box.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const under = spot(event);
    const factor = Math.exp(event.deltaY * 0.0015);
    const width = within(view.width * factor, LEAST, WHOLE.width);
    const left = 1 - width / view.width;
    look(view.x + (under.x - view.x) * left, view.y + (under.y - view.y) * left, width);
  },
  { passive: false },
);

function spot(event) {
  const rect = svg.getBoundingClientRect();
  const unit = view.width / rect.width;
  return {
    x: view.x + (event.clientX - rect.left - rect.width / 2) * unit,
    y: view.y + (event.clientY - rect.top - rect.height / 2) * unit,
  };
}

let drag = null;
box.addEventListener("pointerdown", (event) => {
  if (event.button === 0) drag = { x: event.clientX, y: event.clientY, from: { ...view }, isFar: false };
});
box.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const [right, down] = [event.clientX - drag.x, event.clientY - drag.y];
  if (!drag.isFar && Math.hypot(right, down) < 5) return;
  drag.isFar = true;
  box.setPointerCapture(event.pointerId);
  const unit = view.width / svg.getBoundingClientRect().width;
  look(drag.from.x - right * unit, drag.from.y - down * unit, view.width);
});
box.addEventListener("pointerup", (event) => {
  if (drag && !drag.isFar) put(spot(event));
  drag = null;
});
box.addEventListener("pointercancel", () => {
  drag = null;
});
addEventListener("resize", () => dialog.open && draw());

// -- coming and going -----------------------------------------------------------------------------------

const fieldOf = (at) => [document.getElementById(at), document.getElementById(`${at}/type`)];

async function open(button) {
  opener = button;
  const [text, shape] = fieldOf(button.dataset.pick);
  const written = text.value.trim() === "" ? "" : document.querySelector(
    `[data-told="${CSS.escape(button.dataset.pick)}"]`).textContent;
  points = read(written);
  const asked = shape.value || (points.length > 1 ? "LineString" : "Point");
  dialog.querySelector(`[name=pick-kind][value=${asked}]`).checked = true;
  dialog.showModal();
  const at = points[0] ?? { x: xOf(AT_FIRST.lon), y: yOf(AT_FIRST.lat) };
  look(at.x, at.y, AT_FIRST.width);
  list();
  box.focus();
  await load();
}

async function load() {
  if (isLoaded) return;
  try {
    const answer = await fetch(dialog.dataset.region);
    const { land } = await answer.json();
    const paths = land.map((d) => made("path", { class: "land", "fill-rule": "evenodd", d }));
    document.getElementById("pick-land").replaceChildren(...paths);
    isLoaded = true;
  } catch {
    said.textContent = dialog.dataset.failed;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pick]");
  if (button) open(button);
});
document.getElementById("pick-cancel").addEventListener("click", () => dialog.close());
document.getElementById("pick-use").addEventListener("click", () => {
  if (points.length < FEWEST[kind()]) {
    said.textContent = dialog.dataset.few.replace("*", FEWEST[kind()]);
    return;
  }
  const [text, shape] = fieldOf(opener.dataset.pick);
  text.value = points.map(told).join("\n");
  shape.value = kind();
  text.dispatchEvent(new Event("input", { bubbles: true }));
  dialog.close();
});
dialog.addEventListener("close", () => opener?.focus());

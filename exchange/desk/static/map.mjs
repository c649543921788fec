// The map: pan, zoom, degrees, and signs that stay as large as they are. It asks nobody for anything.
import { made, projection } from "./mercator.mjs";

const NEAR = 28; // pixels: signs that are nearer are shown as one with a number
const LEAST = 40; // units from side to side: as near as one can go
const STEPS = [10, 5, 2, 1, 0.5, 0.2, 0.1]; // degrees between lines
const box = document.getElementById("map");
const svg = box.querySelector("svg");
const rim = document.getElementById("scale");
const chosenBox = document.getElementById("chosen");
const signs = [...document.querySelectorAll("#signs .sign")].map((node) => ({
  node,
  x: Number(node.dataset.x),
  y: Number(node.dataset.y),
  n: node.dataset.n,
  isFlash: node.dataset.band === "flash",
}));
const [WEST, NORTH, DEGREE] = ["west", "north", "perDegree"].map((name) => Number(box.dataset[name]));
const { xOf, yOf, lonOf, latOf } = projection(WEST, NORTH, DEGREE);
const WHOLE = { width: xOf(-55), height: yOf(-12) };

const [x0, y0, w0, h0] = svg.getAttribute("viewBox").split(" ").map(Number);
const view = { x: x0, y: y0, width: w0 };
let unit = 0;

const ratio = () => svg.clientWidth / svg.clientHeight || 1.5;
const heightOf = (width) => width / ratio();
const widest = () => Math.max(WHOLE.width, WHOLE.height * ratio());

// Where a stretch begins that is to stay on the whole; in its middle where it is longer.
const kept = (begin, length, whole) =>
  length >= whole ? (whole - length) / 2 : Math.min(Math.max(begin, 0), whole - length);

function look(x, y, width) {
  view.width = Math.min(Math.max(width, LEAST), widest());
  view.x = kept(x, view.width, WHOLE.width);
  view.y = kept(y, heightOf(view.width), WHOLE.height);
  draw();
}

const lookAt = (x, y, width) => look(x - width / 2, y - heightOf(width) / 2, width);

// Zoom so that what is at a place on the screen (0 to 1 from the left and the top) stays there.
function zoom(factor, right = 0.5, down = 0.5) {
  const width = Math.min(Math.max(view.width * factor, LEAST), widest());
  const less = view.width - width;
  look(view.x + less * right, view.y + heightOf(less) * down, width);
}

function fit(shown) {
  const xs = shown.map((each) => each.x);
  const ys = shown.map((each) => each.y);
  const wide = Math.max(...xs) - Math.min(...xs);
  const high = Math.max(...ys) - Math.min(...ys);
  const width = Math.max(wide, high * ratio(), LEAST / 2) * 1.5;
  lookAt((Math.max(...xs) + Math.min(...xs)) / 2, (Math.max(...ys) + Math.min(...ys)) / 2, width);
}

// What buttons and keys zoom about: the chosen sign where it is seen, else the middle.
function held() {
  const sign = signs.find((each) => each.node.classList.contains("chosen"));
  if (!sign || !isSeen(sign)) return [0.5, 0.5];
  return [(sign.x - view.x) / view.width, (sign.y - view.y) / heightOf(view.width)];
}

const acts = {
  in: () => zoom(1 / 1.6, ...held()),
  out: () => zoom(1.6, ...held()),
  all: () => look(0, 0, widest()),
  fit: () => look(x0, y0, Math.max(w0, h0 * ratio())),
  west: () => look(view.x - view.width / 5, view.y, view.width),
  east: () => look(view.x + view.width / 5, view.y, view.width),
  north: () => look(view.x, view.y - view.width / 5, view.width),
  south: () => look(view.x, view.y + view.width / 5, view.width),
};
const KEYS = {
  "+": "in", "=": "in", "-": "out", 0: "all",
  ArrowLeft: "west", ArrowRight: "east", ArrowUp: "north", ArrowDown: "south",
}; // prettier-ignore

function draw() {
  svg.setAttribute("viewBox", [view.x, view.y, view.width, heightOf(view.width)].join(" "));
  const now = view.width / svg.clientWidth;
  degrees();
  if (now === unit) return;
  unit = now;
  for (const node of svg.querySelectorAll("[data-x]")) {
    node.setAttribute("transform", `translate(${node.dataset.x} ${node.dataset.y}) scale(${unit})`);
  }
  for (const node of svg.querySelectorAll("[data-area]")) {
    const room = Math.sqrt(Number(node.dataset.area)) / unit;
    node.toggleAttribute("hidden", room < 5 * node.textContent.length);
  }
  cluster();
}

const told = (degree, letters) => {
  const size = Math.round(Math.abs(degree) * 10) / 10;
  return `${size}°${degree < 0 ? letters[1] : degree > 0 ? letters[0] : ""}`;
};

// Lines on round degrees, and what they are at the rim.
function degrees() {
  const [west, east] = [lonOf(view.x), lonOf(view.x + view.width)];
  const [north, south] = [latOf(view.y), latOf(view.y + heightOf(view.width))];
  const step = STEPS.find((each) => (east - west) / each >= 4) ?? STEPS.at(-1);
  const lines = [];
  const texts = [];
  const perPixel = view.width / svg.clientWidth;
  for (let i = Math.ceil(west / step); i * step <= east; i += 1) {
    const x = xOf(i * step);
    lines.push(made("line", { x1: x, x2: x, y1: view.y - 9000, y2: view.y + 9000 }));
    const at = { x: (x - view.x) / perPixel + 3, y: svg.clientHeight - 5 };
    texts.push(made("text", at, told(i * step, "EW")));
  }
  for (let i = Math.ceil(south / step); i * step <= north; i += 1) {
    const y = yOf(i * step);
    lines.push(made("line", { y1: y, y2: y, x1: view.x - 9000, x2: view.x + 9000 }));
    texts.push(made("text", { x: 4, y: (y - view.y) / perPixel - 3 }, told(i * step, "NS")));
  }
  document.getElementById("graticule").replaceChildren(...lines);
  rim.replaceChildren(...texts);
}

// Signs come in the inbox's order: the first of a cluster, where it is shown, is the most urgent.
function cluster() {
  const found = [];
  for (const sign of signs) {
    const near = found.find(({ at }) => Math.hypot(at.x - sign.x, at.y - sign.y) < NEAR * unit);
    if (near) near.all.push(sign);
    else found.push({ at: sign, all: [sign] });
  }
  const hadFocus = document.activeElement?.closest("#signs, #clusters");
  const shown = [];
  for (const { at, all } of found) {
    for (const sign of all) sign.node.toggleAttribute("hidden", all.length > 1);
    if (all.length > 1) shown.push(clustered(at, all));
  }
  document.getElementById("clusters").replaceChildren(...shown);
  // Who stood on what is gone by now goes on from the map.
  if (hadFocus && !document.activeElement?.closest("#signs, #clusters")) box.focus();
}

function clustered(at, all) {
  const isFlash = all.some((each) => each.isFlash);
  const words = (isFlash ? box.dataset.flash : box.dataset.cluster).replace("*", all.length);
  const node = made("g", {
    class: isFlash ? "cluster cluster-flash" : "cluster",
    role: "button",
    tabindex: 0,
    "aria-label": words,
    transform: `translate(${at.x} ${at.y}) scale(${unit})`,
  });
  node.append(made("circle", { class: "target", r: 18 }), made("circle", { class: "ring", r: 13 }));
  node.append(made("text", { y: 4 }, String(all.length)));
  if (isFlash) node.append(made("path", { d: "M10-18 17-5H3z" }));
  const open = () => {
    const isOne = all.every((each) => Math.hypot(each.x - at.x, each.y - at.y) < 1);
    if (isOne || view.width <= LEAST) showSeveral(all);
    else fit(all);
  };
  node.addEventListener("click", open);
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    open();
  });
  return node;
}

const rowOf = (n) => document.querySelector(`tr[data-sign="${n}"]`);
const show = (which) => {
  for (const name of ["none", "one", "several"]) {
    chosenBox.querySelector(`[data-${name}]`).hidden = name !== which;
  }
};

function showSeveral(all) {
  const list = chosenBox.querySelector("[data-several]");
  list.replaceChildren(
    ...all.map((sign) => {
      const row = document.createElement("li");
      const title = rowOf(sign.n).querySelector("[data-part=title] a").cloneNode(true);
      row.append(rowOf(sign.n).querySelector(".band").cloneNode(true), " ", title);
      return row;
    }),
  );
  show("several");
}

function choose(sign) {
  for (const each of signs) each.node.classList.toggle("chosen", each === sign);
  const row = rowOf(sign.n);
  for (const other of document.querySelectorAll("tr[data-sign]")) {
    other.classList.toggle("chosen", other === row);
  }
  for (const slot of chosenBox.querySelectorAll("[data-slot]")) {
    const part = row.querySelector(`[data-part=${slot.dataset.slot}]`);
    slot.replaceChildren(...[...part.childNodes].map((each) => each.cloneNode(true)));
  }
  show("one");
}

const isSeen = ({ x, y }) =>
  x > view.x && x < view.x + view.width && y > view.y && y < view.y + heightOf(view.width);

let drag = null;
let wasDragged = false;

for (const sign of signs) {
  sign.node.addEventListener("focus", () => {
    choose(sign);
    if (!isSeen(sign)) lookAt(sign.x, sign.y, view.width);
  });
  // The pointer chooses first and opens then; the keyboard has chosen by going there.
  sign.node.addEventListener("click", (event) => {
    if (event.detail === 0 || (sign.node.dataset.pressed && !wasDragged)) return;
    event.preventDefault();
    for (const each of signs) delete each.node.dataset.pressed;
    sign.node.dataset.pressed = "yes";
    choose(sign);
  });
}
for (const link of document.querySelectorAll("[data-show]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const sign = signs.find((each) => each.n === link.dataset.show);
    lookAt(sign.x, sign.y, Math.min(view.width, 8 * DEGREE));
    choose(sign);
    box.scrollIntoView({ block: "nearest" });
    if (!sign.node.hasAttribute("hidden")) sign.node.focus();
    else box.focus();
  });
}
for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", acts[button.dataset.act]);
}
box.addEventListener("keydown", (event) => {
  const act = KEYS[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  acts[act]();
});
box.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const rect = svg.getBoundingClientRect();
    const [right, down] = [event.clientX - rect.left, event.clientY - rect.top];
    zoom(Math.exp(event.deltaY * 0.0015), right / rect.width, down / rect.height);
  },
  { passive: false },
);
box.addEventListener("pointerdown", (event) => {
  wasDragged = false;
  if (event.button === 0) drag = { x: event.clientX, y: event.clientY, from: { ...view } };
});
box.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const [right, down] = [event.clientX - drag.x, event.clientY - drag.y];
  if (!wasDragged && Math.hypot(right, down) < 5) return;
  wasDragged = true;
  box.classList.add("dragged");
  box.setPointerCapture(event.pointerId);
  look(drag.from.x - right * unit, drag.from.y - down * unit, drag.from.width);
});
for (const name of ["pointerup", "pointercancel"]) {
  box.addEventListener(name, () => {
    drag = null;
    box.classList.remove("dragged");
  });
}
box.addEventListener("dragstart", (event) => event.preventDefault());
addEventListener("resize", () => look(view.x, view.y, view.width));
acts.fit();

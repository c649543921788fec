// What every page of the desk does with news: FLASH on top, clocks, notifications, the lock.
// Texts from the server become text, never markup: everything is built node by node.
import { tellOf } from "./notify.mjs";

const desk = document.getElementById("desk");
const title = document.title;

function made(name, text, kind) {
  const node = document.createElement(name);
  node.textContent = text;
  if (kind) node.className = kind;
  return node;
}

// A way within the application, whatever was told.
function linked(each) {
  const link = document.createElement("a");
  const address = new URL(each.href, location.origin);
  link.href = address.origin === location.origin ? address.pathname : "#";
  if (each.band) link.append(made("strong", each.band), " ");
  link.append(made("span", each.title), " ", made("span", each.origin, "muted"));
  return link;
}

function showFlash(waiting) {
  const place = document.getElementById("flash");
  if (!place || !Array.isArray(waiting)) return;
  const list = place.querySelector("ul");
  const shown = [...list.querySelectorAll("a")].map((link) => link.getAttribute("href")).join();
  place.hidden = waiting.length === 0;
  // Said again only when it changed: a screen reader reads it out at once.
  if (shown === waiting.map((each) => each.href).join()) return;
  list.replaceChildren(
    ...waiting.map((each) => {
      const row = document.createElement("li");
      row.append(linked(each));
      return row;
    }),
  );
}

// All that goes wrong, each in a line; said again only when it changed.
function showTroubles(troubles) {
  const place = document.getElementById("trouble");
  if (!place || !Array.isArray(troubles)) return;
  const list = place.querySelector("div");
  const shown = [...list.children].map((line) => line.textContent);
  place.hidden = troubles.length === 0;
  if (shown.join("\n") === troubles.join("\n")) return;
  list.replaceChildren(...troubles.map((each) => made("p", each)));
}

function showArrived(arrived) {
  const place = document.getElementById("arrived");
  if (!place || !Array.isArray(arrived)) return;
  const list = place.querySelector("ul");
  const known = new Set([...list.children].map((row) => Number(row.dataset.number)));
  for (const each of arrived) {
    // By how many came before it: what presses comes ahead of entries that are less.
    if (each.number <= Number(place.dataset.after) || known.has(each.number)) continue;
    const row = document.createElement("li");
    row.dataset.number = each.number;
    row.append(linked(each));
    list.prepend(row);
  }
  place.hidden = list.children.length === 0;
}

// Green is said by no colour alone, and stays for no moment longer than it holds.
function showComplete(holds) {
  const place = document.getElementById("complete");
  if (!place) return;
  place.classList.toggle("signal-ok", holds);
  place.querySelector("use").setAttribute("href", holds ? "#i-ok" : "#i-wait");
}

export function spanOf(seconds) {
  const left = Math.abs(seconds);
  if (left >= 172800) return `${Math.floor(left / 86400)} d`;
  const minutes = Math.floor(left / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

function countOn() {
  const now = Date.now() / 1000;
  for (const clock of document.querySelectorAll("[data-by]")) {
    const late = now - Number(clock.dataset.by);
    const words = late >= 0 ? clock.dataset.late : clock.dataset.left;
    const place = clock.lastElementChild;
    const text = words.replace("*", spanOf(late));
    if (place.textContent !== text) place.textContent = text;
    clock.classList.toggle("state-bad", late >= 0);
    clock.classList.toggle("state-wait", late < 0);
    clock.querySelector("use")?.setAttribute("href", late >= 0 ? "#i-bad" : "#i-wait");
  }
}

// The desk locks when nobody asks for anything: who reads or writes here says so, now and then.
function sayHere(address) {
  let last = Date.now();
  const say = () => {
    if (Date.now() - last < 60_000) return;
    last = Date.now();
    fetch(address, { method: "POST", redirect: "manual" }).catch(() => {});
  };
  for (const name of ["keydown", "pointerdown", "wheel"]) {
    addEventListener(name, say, { passive: true });
  }
}

document.addEventListener("told", (event) => {
  const told = event.detail;
  if (told.shut) {
    location.reload();
    return;
  }
  showFlash(told.flash);
  showArrived(told.arrived);
  showComplete(told.is_complete);
  const alarm = document.getElementById("alarm");
  if (alarm) alarm.hidden = !told.alarm;
  showTroubles(told.troubles);
  document.title = told.flash_waits ? `${told.flash_waits} · ${title}` : title;
  tellOf(told, desk);
});

if (desk) {
  sayHere(desk.dataset.here);
  setInterval(countOn, 15_000);
}

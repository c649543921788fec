// Notifications say how many, never what; FLASH alone makes a sound, and no quiet hour stops it.
let seen = null;

const minutes = (text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));

export function isQuiet(span, at) {
  if (!/^\d\d:\d\d-\d\d:\d\d$/.test(span)) return false;
  const [first, last] = span.split("-").map(minutes);
  const now = at.getHours() * 60 + at.getMinutes();
  return first <= last ? first <= now && now < last : now >= first || now < last;
}

// Three short tones, made here: no file is fetched.
export function sound() {
  const context = new AudioContext();
  for (const beep of [0, 0.25, 0.5]) {
    const tone = context.createOscillator();
    const gain = context.createGain();
    tone.frequency.value = 880;
    gain.gain.value = 0.2;
    tone.connect(gain).connect(context.destination);
    tone.start(context.currentTime + beep);
    tone.stop(context.currentTime + beep + 0.15);
  }
  setTimeout(() => context.close(), 1500);
  return context;
}

function notify(text, tag) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  new Notification(text, { tag });
}

// What came since the page heard last; the first time it hears, nothing is new.
export function tellOf(told, desk) {
  const arrived = told.arrived ?? [];
  const newest = arrived.reduce((most, each) => Math.max(most, each.index), -1);
  const fresh = seen === null ? [] : arrived.filter((each) => each.index > seen);
  seen = Math.max(seen ?? -1, newest);
  if (fresh.length === 0 || !desk) return;
  const flash = fresh.filter((each) => each.is_flash).length;
  if (flash > 0) {
    sound();
    notify(desk.dataset.flash.replace("*", String(flash)), "exchange-flash");
  } else if (!isQuiet(desk.dataset.quiet, new Date())) {
    notify(desk.dataset.new.replace("*", String(fresh.length)), "exchange-new");
  }
}

const page = document.getElementById("notify");
if (page) {
  const say = () => {
    const is = "Notification" in window ? Notification.permission : "denied";
    const words = { granted: page.dataset.granted, denied: page.dataset.denied };
    document.getElementById("allowed").textContent = words[is] ?? "";
  };
  document.getElementById("allow").addEventListener("click", async () => {
    if ("Notification" in window) await Notification.requestPermission();
    say();
  });
  document.getElementById("sound").addEventListener("click", () => sound());
  say();
}

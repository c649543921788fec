// Notifications say how many, never what; FLASH alone makes a sound, and no quiet hour stops it.
// What was heard of last stands in the browser, by its number alone: between two pages nothing is
// missed, and no second window tells of the same.
const HEARD = "exchange-heard";
// As long as the tones take.
const SOUND_MS = 1500;

const minutes = (text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));

export function isQuiet(span, at) {
  if (!/^\d\d:\d\d-\d\d:\d\d$/.test(span)) return false;
  const [first, last] = span.split("-").map(minutes);
  const now = at.getHours() * 60 + at.getMinutes();
  return first <= last ? first <= now && now < last : now >= first || now < last;
}

// A window in which nobody has done anything yet may make no sound: the browser keeps it waiting.
function whenItMay(context) {
  if (context.state === "running") return Promise.resolve(true);
  return new Promise((resolve) => {
    context.addEventListener("statechange", () => resolve(context.state === "running"));
    setTimeout(() => resolve(false), SOUND_MS);
  });
}

function play(context) {
  for (const beep of [0, 0.25, 0.5]) {
    const tone = context.createOscillator();
    const gain = context.createGain();
    tone.frequency.value = 880;
    gain.gain.value = 0.2;
    tone.connect(gain).connect(context.destination);
    tone.start(context.currentTime + beep);
    tone.stop(context.currentTime + beep + 0.15);
  }
}

// Three short tones, made here: no file is fetched. Each window tries that may; one is heard.
export async function sound() {
  const context = new AudioContext();
  const heard = async (alone) => {
    if (!alone) return;
    play(context);
    await new Promise((resolve) => setTimeout(resolve, SOUND_MS));
  };
  if (await whenItMay(context)) {
    if (navigator.locks) await navigator.locks.request(HEARD, { ifAvailable: true }, heard);
    else await heard(true);
  }
  await context.close();
}

function notify(text, tag) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  new Notification(text, { tag });
}

let seen = null;

// What was told of before this page: of the same run of the program, or nothing of it.
function before(run) {
  const [of, came, flash] = (localStorage.getItem(HEARD) ?? "").split(" ");
  return of === run ? [Number(came), Number(flash)] : null;
}

// What came since something was heard last; the first time in a run, nothing is new.
// Every window may sound; the one that hears the program shows the notification.
export function tellOf(told, desk) {
  if (!desk || told.run === undefined) return;
  const [came, flash] = seen ?? before(told.run) ?? [told.came, told.flash_came];
  seen = [told.came, told.flash_came];
  localStorage.setItem(HEARD, `${told.run} ${told.came} ${told.flash_came}`);
  if (told.flash_came > flash) {
    sound();
    const words = desk.dataset.flash.replace("*", String(told.flash_came - flash));
    if (told.is_first) notify(words, "exchange-flash");
  } else if (told.came > came && told.is_first && !isQuiet(desk.dataset.quiet, new Date())) {
    notify(desk.dataset.new.replace("*", String(told.came - came)), "exchange-new");
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

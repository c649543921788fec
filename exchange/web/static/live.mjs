// News: texts that the server sends are shown as text, and never become markup or code.
// One window hears the program for all that show the same language: a browser has six connections
// to a host. It holds a lock while it does; when it is closed, the next one has it. A shared worker
// would want its address to be trusted, and no page here can say that of any.
// A window in which a dialog is open stands still, and its lock with it. So the others ask now and
// again whether it is there; where it does not answer, the next one hears the program as well.
const RETRY_MS = 5000;
const BEAT_MS = 5000;
const MISSED = 3;

let isLeaving = false;

// Show what was told. `is_first` says that this window is the one that hears the program.
function tell(page, told, isFirst) {
  const news = page.getElementById("news");
  page.getElementById("away").hidden = true;
  if (told.over) {
    // Somebody left: what stands here is not to stay. Who goes by a form is on the way already.
    if (!isLeaving) location.reload();
    return;
  }
  for (const place of page.querySelectorAll("[data-value]")) {
    const value = told[place.dataset.value];
    if (typeof value === "string" && place.textContent !== value) place.textContent = value;
  }
  // For what an application does with it besides: its own scripts listen.
  page.dispatchEvent(new CustomEvent("told", { detail: { ...told, is_first: isFirst } }));
  news.hidden = told.number === Number(page.body.dataset.number);
}

// Whether there is no session any more: the window that heard may have left before it was told.
async function isOver(address) {
  try {
    const answer = await fetch(address);
    answer.body?.cancel();
    return answer.status === 401;
  } catch {
    return false;
  }
}

// Hear the program, until this window goes or somebody else does; say what it says, and that it
// does not answer.
function hear(address, say, signal) {
  let source = null;
  let again = 0;
  const listen = () => {
    source = new EventSource(address);
    source.addEventListener("message", (event) => {
      const told = JSON.parse(event.data);
      if (told.over) source.close();
      say({ told });
    });
    source.addEventListener("error", () => {
      say({ away: true });
      if (source.readyState !== EventSource.CLOSED) return;
      // After an answer that is no stream the browser does not ask again by itself.
      again = setTimeout(listen, RETRY_MS);
      isOver(address).then((over) => over && say({ told: { over } }));
    });
  };
  listen();
  return new Promise((resolve) => {
    const stop = () => {
      clearTimeout(again);
      source.close();
      resolve();
    };
    addEventListener("pagehide", stop);
    signal?.addEventListener("abort", stop);
  });
}

export function listenToNews(page) {
  const address = page.body.dataset.live;
  if (!address) return;
  const take = (said, isFirst) => {
    if (said.told) tell(page, said.told, isFirst);
    else page.getElementById("away").hidden = false;
  };
  addEventListener("submit", (event) => {
    if (event.target.matches("form[action$='/leave']")) isLeaving = true;
  });
  // Kept by the browser as it was and shown again: it is asked for anew, as it may not be seen now.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  if (!navigator.locks || !window.BroadcastChannel) {
    hear(address, (said) => take(said, true));
    return;
  }
  share(page, address, take);
}

// Hear the program for all windows, or by another one that does. Who hears at level 1 is heard by
// all; a level above it is somebody who stands in, as nobody below answers.
function share(page, address, take) {
  const others = new BroadcastChannel(address);
  const heard = new Set();
  const standIns = new Map();
  let missed = 0;
  let last = null;
  others.addEventListener("message", ({ data }) => {
    if (data.asks) {
      if (last && heard.size) others.postMessage(last);
    } else if (data.beats) {
      if (heard.size) others.postMessage({ beat: Math.min(...heard) });
    } else if (data.beat) {
      missed = 0;
      for (const [level, ends] of standIns) if (level > data.beat) ends.abort();
    } else take(data, false);
  });
  const say = (said) => {
    last = said;
    take(said, true);
    others.postMessage(said);
  };
  const show = () => {
    page.getElementById("alone").hidden = heard.size === 0 || Math.min(...heard) === 1;
  };
  // No signal at level 1: who has that lock keeps it.
  const lead = (level, signal) =>
    navigator.locks
      .request(`${address} ${level}`, signal ? { signal } : {}, async () => {
        heard.add(level);
        if (level === 1) for (const ends of standIns.values()) ends.abort();
        show();
        await hear(address, say, signal);
      })
      .catch(() => {})
      .finally(() => {
        heard.delete(level);
        standIns.delete(level);
        show();
      });
  const beat = () => {
    if (heard.has(1)) return;
    others.postMessage({ beats: true });
    if (heard.size) return;
    missed += 1;
    if (missed <= MISSED) return;
    missed = 0;
    const level = 2 + standIns.size;
    const ends = new AbortController();
    standIns.set(level, ends);
    lead(level, ends.signal);
  };
  others.postMessage({ asks: true });
  lead(1);
  setInterval(beat, BEAT_MS);
}

// Keys, for who has switched them on. Letters alone never act while something is being typed.
const rowsOf = (page) => [...page.querySelectorAll("[data-row]")];

const isTyping = (target) =>
  target.isContentEditable || ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName);

function move(page, by) {
  const rows = rowsOf(page);
  if (rows.length === 0) return;
  const now = rows.findIndex((row) => row.classList.contains("chosen"));
  const next = Math.min(Math.max(now + by, 0), rows.length - 1);
  rows[now]?.classList.remove("chosen");
  rows[next].classList.add("chosen");
  rows[next].querySelector("a")?.focus();
  rows[next].scrollIntoView({ block: "nearest" });
}

function back(page) {
  const open = page.querySelector("details.menu[open], details[data-menu][open]");
  if (open) open.open = false;
  else page.querySelector("[data-back]")?.click();
}

// What the chosen row offers under a letter of its own; else what the page does beside its rows.
const offered = (page, key) => {
  const named = `[data-key="${CSS.escape(key)}"]`;
  const ofPage = [...page.querySelectorAll(named)].find((each) => !each.closest("[data-row]"));
  return page.querySelector(`[data-row].chosen ${named}`) ?? ofPage ?? null;
};

const actions = {
  j: (page) => move(page, 1),
  k: (page) => move(page, -1),
  o: (page) => page.querySelector("[data-row].chosen a")?.click(),
  n: (page) => page.getElementById("reload")?.click(),
  r: (page) => page.getElementById("reload")?.click(),
  l: (page) => page.getElementById("language")?.click(),
  "/": (page) => page.querySelector("[data-search]")?.focus(),
  "?": (page) => page.getElementById("help")?.showModal(),
};

export function listenToKeys(page) {
  const help = page.getElementById("help");
  page.getElementById("help-button")?.addEventListener("click", () => help.showModal());
  let goes = false;
  page.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || page.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      if (isTyping(event.target)) event.target.blur();
      else back(page);
      return;
    }
    if (page.body.dataset.keys !== "on" || isTyping(event.target)) return;
    const going = goes && page.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    const place = going || offered(page, event.key);
    const act = place ? () => place.click() : actions[event.key];
    goes = event.key === "g" && !goes;
    if (!act) return;
    event.preventDefault();
    act(page);
  });
}

// News: texts that the server sends are shown as text, and never become markup or code.
export function listenToNews(page) {
  const address = page.body.dataset.live;
  if (!address) return;
  const news = page.getElementById("news");
  const away = page.getElementById("away");
  const source = new EventSource(address);
  let first = null;
  source.addEventListener("message", (event) => {
    const told = JSON.parse(event.data);
    away.hidden = true;
    for (const place of page.querySelectorAll("[data-value]")) {
      const value = told[place.dataset.value];
      if (typeof value === "string" && place.textContent !== value) place.textContent = value;
    }
    // What the page shows was made when the first number was told, or before.
    if (first === null) first = Number(page.body.dataset.number ?? told.number);
    news.hidden = told.number === first;
  });
  source.addEventListener("error", () => {
    away.hidden = false;
  });
  addEventListener("pagehide", () => source.close());
}

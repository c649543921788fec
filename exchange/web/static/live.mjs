// News: texts that the server sends are shown as text, and never become markup or code.
export function listenToNews(page) {
  const address = page.body.dataset.live;
  if (!address) return;
  const news = page.getElementById("news");
  const away = page.getElementById("away");
  const source = new EventSource(address);
  source.addEventListener("message", (event) => {
    const told = JSON.parse(event.data);
    away.hidden = true;
    for (const place of page.querySelectorAll("[data-value]")) {
      const value = told[place.dataset.value];
      if (typeof value === "string" && place.textContent !== value) place.textContent = value;
    }
    news.hidden = told.number === Number(page.body.dataset.number);
  });
  source.addEventListener("error", () => {
    away.hidden = false;
  });
  addEventListener("pagehide", () => source.close());
}

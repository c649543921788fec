// News: texts that the server sends are shown as text, and never become markup or code.
const RETRY_MS = 5000;

export function listenToNews(page) {
  const address = page.body.dataset.live;
  if (!address) return;
  const news = page.getElementById("news");
  const away = page.getElementById("away");
  let source = null;
  const listen = () => {
    source = new EventSource(address);
    source.addEventListener("message", tell);
    source.addEventListener("error", () => {
      away.hidden = false;
      // After an answer that is no stream the browser does not ask again by itself.
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS);
    });
  };
  const tell = (event) => {
    const told = JSON.parse(event.data);
    away.hidden = true;
    for (const place of page.querySelectorAll("[data-value]")) {
      const value = told[place.dataset.value];
      if (typeof value === "string" && place.textContent !== value) place.textContent = value;
    }
    // For what an application does with it besides: its own scripts listen.
    page.dispatchEvent(new CustomEvent("told", { detail: told }));
    news.hidden = told.number === Number(page.body.dataset.number);
  };
  listen();
  addEventListener("pagehide", () => source.close());
}

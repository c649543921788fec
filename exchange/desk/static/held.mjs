// The seconds in which a sending can be undone, as the program counts them.
const held = document.getElementById("held");
const left = document.getElementById("left");
const progress = document.getElementById("progress");
const CHANGES = ["held", "sending", "waits", "unsure", "asked"];

async function look() {
  try {
    const answer = await fetch(held.dataset.ask);
    if (!answer.ok) return;
    const told = await answer.json();
    if (told.state !== held.dataset.state) return void location.reload();
    if (left) left.textContent = String(told.left_s);
    if (progress && told.whole) {
      progress.max = told.whole;
      progress.value = told.done;
    }
  } catch {
    // The page says by itself that the program does not answer.
  }
}

if (CHANGES.includes(held.dataset.state)) setInterval(look, left ? 500 : 2000);

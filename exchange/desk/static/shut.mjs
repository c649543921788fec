// A page that shows nothing because the desk is locked or closed: it goes once that changes.
import { tellOf } from "./notify.mjs";

const desk = document.getElementById("desk");
const form = document.querySelector("form[action$='/unlock']");
const title = document.title;
let isLeaving = false;

// What the form leads to comes by itself: nothing is to get ahead of it.
form?.addEventListener("submit", () => {
  isLeaving = true;
});

document.addEventListener("told", (event) => {
  const told = event.detail;
  if (!isLeaving && told.shut !== (form ? "locked" : "closed")) location.reload();
  // How many, and never what: that wants the passphrase.
  document.title = told.flash_waits ? `${told.flash_waits} · ${title}` : title;
  tellOf(told, desk);
});

// A page that shows nothing because the desk is locked or closed: it goes once that changes.
const form = document.querySelector("form[action$='/unlock']");
let isLeaving = false;

// What the form leads to comes by itself: nothing is to get ahead of it.
form?.addEventListener("submit", () => {
  isLeaving = true;
});

document.addEventListener("told", (event) => {
  if (!isLeaving && event.detail.shut !== (form ? "locked" : "closed")) location.reload();
});

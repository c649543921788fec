// A page that shows nothing because the desk is locked or closed: it goes once that changes.
document.addEventListener("told", (event) => {
  const isPassphrase = document.getElementById("passphrase") !== null;
  if (event.detail.shut !== (isPassphrase ? "locked" : "closed")) location.reload();
});

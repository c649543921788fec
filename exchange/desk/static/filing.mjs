// Files of a draft: each is sent to this machine's program as it is, listed, and taken out again.
const form = document.getElementById("compose");
const list = document.getElementById("files");
const said = document.getElementById("files-said");
const blank = document.getElementById("file");
const choose = document.getElementById("choose");
const draft = form.elements.draft.value;
const MOST = Number(list.dataset.mostBytes);

const grouped = (n) => (n < 10_000 ? String(n) : String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f"));

function tell(text, isBad = false) {
  said.textContent = text;
  said.classList.toggle("problem", isBad);
}

function row({ id, name, media_type: kind, size, digest }) {
  const made = blank.content.cloneNode(true).firstElementChild;
  made.querySelector(".file-name").textContent = name;
  const bytes = list.dataset.bytes.replace("*", grouped(size));
  made.querySelector(".muted").textContent = kind ? `${kind} · ${bytes}` : bytes;
  const button = made.querySelector("[data-unfile]");
  button.setAttribute("aria-label", button.dataset.label.replace("*", name));
  if (id === undefined) {
    made.querySelector("code").remove();
    button.remove();
    return made;
  }
  made.dataset.file = id;
  made.querySelector("code").textContent = digest;
  made.querySelector("progress").remove();
  return made;
}

function show(files) {
  list.replaceChildren(...files.map(row));
  // Looked at again with its files: who could read it, and whether it may carry them.
  form.dispatchEvent(new Event("input"));
}

function put(file) {
  const made = row({ name: file.name, size: file.size });
  const progress = made.querySelector("progress");
  progress.setAttribute("aria-label", file.name);
  list.append(made);
  tell(list.dataset.going.replace("*", file.name));
  return new Promise((resolve) => {
    const failed = (why) => {
      made.remove();
      tell(`${list.dataset.failed.replace("*", file.name)} ${why}`, true);
      resolve(false);
    };
    if (file.size > MOST) return failed(list.dataset.oversized);
    const changed = document.querySelector("[name=changed]").value;
    const asked = new URLSearchParams({ draft, changed, type: list.dataset.type, name: file.name });
    const request = new XMLHttpRequest();
    request.open("POST", `${list.dataset.put}?${asked}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded }) => {
      progress.max = file.size || 1;
      progress.value = loaded;
    });
    request.addEventListener("error", () => failed(list.dataset.lost));
    request.addEventListener("load", () => {
      const told = request.response;
      if (request.status !== 200) return failed(told ? `${told.what} ${told.next}` : list.dataset.lost);
      show(told.files);
      tell("");
      resolve(true);
    });
    request.send(file);
  });
}

choose.addEventListener("change", async () => {
  const files = [...choose.files];
  choose.value = "";
  for (const file of files) {
    if (!(await put(file))) return;
  }
});

list.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-unfile]");
  if (!button) return;
  const body = new URLSearchParams({ draft, file: button.closest("[data-file]").dataset.file });
  try {
    const answer = await fetch(list.dataset.takeOut, { method: "POST", body });
    const told = await answer.json();
    if (!answer.ok) return tell(`${told.what} ${told.next}`, true);
    show(told.files);
    choose.focus();
  } catch {
    tell(list.dataset.lost, true);
  }
});

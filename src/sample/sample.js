// Without this the page works too; with it, what is shown changes by itself.
"use strict";

const panel = document.getElementById("panel");
const note = document.getElementById("note");

function show(html) {
  // What a person is at stays as it is: which button has the focus, which list is open.
  const focused = panel.contains(document.activeElement) ? document.activeElement.id : "";
  const open = panel.querySelector("details[open]") !== null;
  panel.innerHTML = html;
  if (open) panel.querySelector("details")?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus();
}

// The browser connects again by itself when the stream ends.
new EventSource("/live").addEventListener("message", (message) => show(message.data));

for (const form of document.querySelectorAll("form[data-quiet]")) {
  form.addEventListener("submit", async (submitted) => {
    submitted.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    note.textContent = "One moment…";
    try {
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" });
      // A redirect leads back to the page that is here already.
      const done = answer.type === "opaqueredirect";
      note.textContent = done ? form.dataset.quiet : await trouble(answer);
      const key = form.querySelector("input[name=key]");
      if (key && done) key.value = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    } catch {
      note.textContent = "The platform does not answer. Is the demo still running?";
    }
    button.disabled = false;
    button.focus();
  });
}

async function trouble(answer) {
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector(".trouble")?.textContent ?? "That did not work.";
}

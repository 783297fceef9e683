"use strict";

// Without this script the form loads the page anew with the reply; with it, the reply comes into the page.

const form = document.querySelector("form[data-editor]");
const reply = document.querySelector("pre[data-reply] code");
document.querySelector("[data-hint]").hidden = false;

async function run() {
  let variables;
  try {
    variables = JSON.parse(form.elements.variables.value || "{}");
  } catch (error) {
    reply.textContent = `The variables are no JSON: ${error.message}`;
    return;
  }
  reply.textContent = "…";
  try {
    const response = await fetch(form.action, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ query: form.elements.query.value, variables }),
    });
    const text = await response.text();
    try {
      reply.textContent = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      reply.textContent = text;
    }
  } catch {
    reply.textContent = "The server did not answer: try again.";
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  }
});

"use strict";

// A page without this script is complete; with it, every block of code has a button that copies it.

const status = document.createElement("p");
status.className = "hidden";
status.setAttribute("role", "status");
document.body.append(status);

async function copy(block) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(block.innerText);
    return;
  }
  // Browsers give no clipboard to pages without https: mark the text and use the old command.
  const marked = window.getSelection();
  marked.selectAllChildren(block);
  if (!document.execCommand("copy")) throw new Error("not copied");
  marked.removeAllRanges();
}

for (const block of document.querySelectorAll("pre[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy: ${block.parentElement.querySelector("figcaption").textContent}`);
  button.addEventListener("click", async () => {
    try {
      await copy(block);
      button.textContent = "Copied";
      status.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy";
      status.textContent = "The browser does not let this page copy";
    }
    setTimeout(() => {
      button.textContent = "Copy";
      status.textContent = "";
    }, 2000);
  });
  block.parentElement.append(button);
}

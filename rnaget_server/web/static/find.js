"use strict";

// Without this script a search box loads the page of results; with it, the best ones are shown while one types: a
// combobox with a list, as ARIA 1.2 describes it. The first page has a box of its own below that of every page.

for (const form of document.querySelectorAll("form.suggests")) {
  const WAIT = 120;
  const KEPT = 50;
  const box = form.querySelector("input[type=search]");
  const search = form.action;
  const known = new Map();
  let options = [];
  let active = -1;
  let timer;
  let request;

  const made = (name, attributes = {}, text = "") => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };
  const popup = made("div", { class: "suggested" });
  const list = made("div", { id: `${box.id}-list`, role: "listbox", "aria-label": "Suggestions" });
  const note = made("p");
  const said = made("p", { class: "hidden", role: "status" });
  popup.hidden = note.hidden = true;
  popup.append(list, note);
  form.append(popup, said);
  const attributes = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id };
  for (const [key, value] of Object.entries(attributes)) box.setAttribute(key, value);

  const text = () => box.value.trim();

  function mark(number) {
    options[active]?.setAttribute("aria-selected", "false");
    active = number;
    if (active < 0) {
      box.removeAttribute("aria-activedescendant");
      return;
    }
    options[active].setAttribute("aria-selected", "true");
    options[active].scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", options[active].id);
  }

  function close() {
    clearTimeout(timer);
    request?.abort();
    mark(-1);
    popup.hidden = true;
    box.setAttribute("aria-expanded", "false");
  }

  function option(address, label, about, kind) {
    const element = made("div", { id: `${box.id}-${options.length}`, role: "option", "aria-selected": "false", class: kind });
    element.append(made("span", {}, label));
    if (about) element.append(made("span", { class: "about" }, about));
    element.dataset.address = address;
    options.push(element);
    return element;
  }

  function show(found) {
    mark(-1);
    options = [];
    const groups = found.groups.map(({ kind, heading, results }) => {
      const group = made("div", { role: "group", "aria-labelledby": `${box.id}-${kind}` });
      group.append(made("div", { id: `${box.id}-${kind}`, class: "kind", role: "presentation" }, heading));
      group.append(...results.map(({ address, label, note: about }) => option(address, label, about, "one")));
      return group;
    });
    const count = options.length;
    const address = `${search}?q=${encodeURIComponent(found.query)}`;
    list.replaceChildren(...groups, option(address, `All results for “${found.query}”`, "", "all"));
    note.textContent = "Genes and samples are still being read.";
    note.hidden = found.complete;
    popup.hidden = false;
    list.scrollTop = 0;
    box.setAttribute("aria-expanded", "true");
    said.textContent = count === 1 ? "1 suggestion" : `${count || "No"} suggestions`;
  }

  async function suggest() {
    const asked = text();
    request?.abort();
    if (!asked) {
      close();
      return;
    }
    try {
      let found = known.get(asked);
      if (!found) {
        request = new AbortController();
        const { signal } = request;
        const reply = await fetch(`${search}/suggestions?q=${encodeURIComponent(asked)}`, { signal });
        if (!reply.ok) throw new Error(reply.statusText);
        found = await reply.json();
        if (found.complete) known.set(asked, found);
        if (known.size > KEPT) known.delete(known.keys().next().value);
      }
      // Of a reply that is late, another text may have come into the box, or the focus may have left it.
      if (asked === text() && document.activeElement === box) show(found);
    } catch {
      if (asked === text()) close();
    }
  }

  box.addEventListener("input", (event) => {
    clearTimeout(timer);
    if (!event.isComposing) timer = setTimeout(suggest, WAIT);
  });
  box.addEventListener("compositionend", suggest);
  box.addEventListener("blur", close);
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const last = options.length - 1;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (popup.hidden) suggest();
      else if (event.key === "ArrowDown") mark(active === last ? -1 : active + 1);
      else mark(active < 0 ? last : active - 1);
    } else if (event.key === "Escape" && !popup.hidden) {
      event.preventDefault();
      close();
    } else if (event.key === "Enter") {
      const chosen = popup.hidden ? undefined : options[active];
      if (chosen) {
        event.preventDefault();
        location.assign(chosen.dataset.address);
      }
    }
  });
  // The focus stays in the box while somebody points into the list.
  popup.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const chosen = event.target.closest("[role=option]");
    if (chosen) location.assign(chosen.dataset.address);
  });
}

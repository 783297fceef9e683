"use strict";

// Light, dark, or as the system has it. Loaded before anything is painted, so that no page shows in other colours first.
// A change is told to the document as "themechange".

(() => {
  const NEXT = { auto: "light", light: "dark", dark: "auto" };
  const WORDS = { auto: "as the system", light: "light", dark: "dark" };

  function stored() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // a browser may keep nothing
    }
  }

  let chosen = "auto";

  function choose(theme) {
    chosen = Object.hasOwn(NEXT, theme) ? theme : "auto";
    if (chosen === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
  }

  function label(button) {
    button.title = button.ariaLabel = `Colours: ${WORDS[chosen]}. Change to: ${WORDS[NEXT[chosen]]}`;
  }

  function change(theme, button) {
    choose(theme);
    label(button);
    document.dispatchEvent(new Event("themechange"));
  }

  choose(stored());
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    button.hidden = false;
    label(button);
    button.addEventListener("click", () => {
      change(NEXT[chosen], button);
      try {
        localStorage.setItem("theme", chosen);
      } catch {
        // then it holds for this page
      }
    });
    addEventListener("storage", (event) => {
      if (event.key === "theme") change(event.newValue, button);
    });
  });
})();

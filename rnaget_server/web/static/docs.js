"use strict";

const api = document.getElementById("api");

/** Show what GET and POST have alike once: the entry of GET says what POST takes. */
function merge({ paths, ...others }) {
  const shown = Object.entries(paths).map(([path, { post, ...item }]) => {
    if (!post || post["x-same-as"] !== "get") return [path, post ? { ...item, post } : item];
    const { description = "", ...get } = item.get;
    const told = "**By POST** the same, with the parameters as a JSON object, for requests longer than a URL may be.";
    return [path, { ...item, get: { ...get, description: `${description}\n\n${told}` } }];
  });
  return { ...others, paths: Object.fromEntries(shown) };
}

/** The headings are buttons: a link in a button cannot be reached by everybody. */
const plainHeadings = (system) => ({
  wrapComponents: { DeepLink: () => ({ text }) => system.React.createElement("span", null, text) },
});

/** Name the buttons that have pictures alone, whenever a reply brings some. */
function nameButtons() {
  for (const button of api.querySelectorAll(".copy-to-clipboard button:not([aria-label])")) {
    button.setAttribute("aria-label", "Copy");
  }
}

async function draw() {
  const reply = await fetch(api.dataset.spec);
  SwaggerUIBundle({
    spec: merge(await reply.json()),
    domNode: api,
    deepLinking: true,
    // The default asks a server elsewhere to judge the document.
    validatorUrl: null,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    tryItOutEnabled: true,
    plugins: [plainHeadings],
  });
}

new MutationObserver(nameButtons).observe(api, { childList: true, subtree: true });
draw().catch(() => {
  api.textContent = "The description of the routes cannot be loaded: try again.";
});

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

/** What Swagger UI leaves out for those who hear the page or use keys: selectors, and the attribute each needs. */
const NEEDED = [
  [".copy-to-clipboard button", "aria-label", "Copy"],
  ["pre.microlight", "tabindex", "0"],
  [".info h1.title, .info h2.title", "aria-level", "2"],
];

/** Add the attributes, whenever a reply brings something new. */
function complete() {
  for (const [selector, name, value] of NEEDED) {
    for (const element of api.querySelectorAll(selector)) {
      if (!element.hasAttribute(name)) element.setAttribute(name, value);
    }
  }
}

/** The parts one below the other. The layout of Swagger UI itself has a main part, which the page around it has, too. */
const plainLayout = ({ React: { createElement } }) => ({
  components: {
    PlainLayout: ({ getComponent }) => {
      const parts = ["errors", "InfoContainer", "operations", "Models"];
      const shown = parts.map((name) => createElement(getComponent(name, true), { key: name }));
      return createElement(
        "div",
        { className: "swagger-ui" },
        createElement(getComponent("SvgAssets")),
        createElement("div", { className: "wrapper" }, shown),
      );
    },
  },
});

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
    plugins: [plainHeadings, plainLayout],
    layout: "PlainLayout",
  });
}

new MutationObserver(complete).observe(api, { childList: true, subtree: true });
draw().catch(() => {
  api.textContent = "The description of the routes cannot be loaded: try again.";
});

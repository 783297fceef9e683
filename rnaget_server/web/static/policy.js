"use strict";

// The policy of these pages forbids style elements and style attributes. Libraries for plots and tracks write both: the
// same is done here by way of the object model, which is allowed, so that the policy stays as strict for their pages.

const { setAttribute } = Element.prototype;
Element.prototype.setAttribute = function (name, value) {
  if (name === "style") this.style.cssText = value;
  else setAttribute.call(this, name, value);
};

function adopt(element) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(element.textContent);
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "sheet", { value: sheet });
  return element;
}

for (const name of ["appendChild", "insertBefore"]) {
  const original = Node.prototype[name];
  Node.prototype[name] = function (node, ...others) {
    return node instanceof HTMLStyleElement ? adopt(node) : original.call(this, node, ...others);
  };
}
const { append } = Element.prototype;
Element.prototype.append = function (...nodes) {
  append.apply(this, nodes.filter((node) => !(node instanceof HTMLStyleElement && adopt(node))));
};

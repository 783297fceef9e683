// The buttons below a plot that download it as a picture. A page without this script does not show them.

document.documentElement.classList.add("with-script");

const SCALE = 2;
const TITLE = 36;
const LETTER = 8.5;

/** Return what a picture shows, since it goes elsewhere without its page: the page, and the part of it that has the plot. */
function titleOf(plot, width) {
  const part = plot.closest(".of-matrix")?.querySelector("h2");
  const text = part ? `${document.querySelector("h1").textContent.trim()}, ${part.textContent.trim()}` : document.title;
  const most = Math.floor(width / LETTER);
  const shown = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return shown.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Return the plot with a title above it, as an SVG picture of that size. */
function pictured(plot, width, height) {
  const { margin, ...layout } = plot.layout;
  const title = { text: titleOf(plot, width), font: { size: 15 }, x: 0.5, xanchor: "center", y: 1, yanchor: "top", yref: "container", pad: { t: 12 } };
  const above = { ...margin, t: (margin?.t ?? 0) + TITLE };
  return window.Plotly.toImage({ data: plot.data, layout: { ...layout, title, margin: above } }, { format: "svg", width, height });
}

/** Return an SVG picture, given as the address of its data, as the address of a PNG picture. */
async function rasterised(address, width, height) {
  // Plotly makes PNG of a blob, which the policy of these pages does not allow as a picture.
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: width * SCALE, height: height * SCALE });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-image]");
  const plot = button && document.getElementById(button.dataset.plot);
  if (!plot?.layout) return;
  const width = plot.clientWidth;
  const height = plot.clientHeight + TITLE;
  const format = button.dataset.image;
  const svg = await pictured(plot, width, height);
  const link = document.createElement("a");
  link.href = format === "png" ? await rasterised(svg, width, height) : svg;
  link.download = `${button.dataset.name}.${format}`;
  link.click();
});

// The buttons below a plot that download it as a picture. A page without this script does not show them.

document.documentElement.classList.add("with-script");

const SCALE = 2;

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
  const { clientWidth: width, clientHeight: height } = plot;
  const format = button.dataset.image;
  const svg = await window.Plotly.toImage(plot, { format: "svg", width, height });
  const link = document.createElement("a");
  link.href = format === "png" ? await rasterised(svg, width, height) : svg;
  link.download = `${button.dataset.name}.${format}`;
  link.click();
});

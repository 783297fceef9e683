// The buttons below a plot that download it as a picture. A page without this script does not show them.

document.documentElement.classList.add("with-script");

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-image]");
  if (!button) return;
  const plot = document.getElementById(button.dataset.plot);
  if (!plot?.layout) return;
  window.Plotly.downloadImage(plot, {
    format: button.dataset.image,
    filename: button.dataset.name,
    width: plot.clientWidth,
    height: plot.clientHeight,
    scale: 2,
  });
});

// Plots by Plotly in the colours of the page. A page loads policy.js and Plotly before a script that imports this.

const { Plotly } = window;

/** Return text as Plotly shows it unchanged: it takes some tags in labels for markup. */
export function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Return the value of a colour of the page, such as "accent". */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Draw traces into an element, and again whenever the page changes between light and dark. */
export function draw(element, traces, layout = {}) {
  const shown = () => {
    const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), automargin: true };
    const { xaxis, yaxis, ...others } = layout;
    return Plotly.react(
      element,
      traces(),
      {
        // A picture of a plot has the colour of the page behind it, too.
        paper_bgcolor: colour("card"),
        plot_bgcolor: colour("card"),
        font: { color: colour("text"), family: getComputedStyle(document.body).fontFamily },
        margin: { t: 24, r: 16, b: 48, l: 56 },
        xaxis: { ...axis, ...xaxis },
        // Labels keep off what is drawn. Plotly would measure each of them, to hide those that do not fit: margins hold them.
        yaxis: { ...axis, ticks: "outside", ticklen: 5, tickcolor: colour("card"), ticklabeloverflow: "allow", ...yaxis },
        ...others,
      },
      { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] },
    );
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", shown);
  document.addEventListener("themechange", shown);
  return shown();
}

// The heat map of a gene list: its values come from the server in the order in which they are drawn.

import { draw, plain } from "./plot.js";

const LONGEST = 40;
const ROW = 20;
const NARROW = 500;

/** Return short labels that differ from one another, since Plotly takes equal ones for one place. */
function labels(texts) {
  const seen = new Map();
  return texts.map((text) => {
    const short = text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
    const times = (seen.get(short) ?? 0) + 1;
    seen.set(short, times);
    return plain(times > 1 ? `${short} (${times})` : short);
  });
}

/** Return a number with few digits. */
function digits(value) {
  return value === null ? "none" : String(Number(value.toPrecision(5)));
}

function scaled(data) {
  const value = data.logarithms ? `log2(${data.units} + 1)` : data.units;
  return data.scale === "zscore" ? `z-score of ${value}` : value;
}

/** Return what is said of each cell when it is pointed at. */
function hover(data) {
  const isScaled = data.scale !== "linear";
  return data.genes.map((gene, row) => {
    const name = gene.name && gene.name !== gene.id ? `${gene.name} (${gene.id})` : gene.id;
    return data.groups.map((group, column) => {
      const value = digits(data.values[row][column]);
      const samples = data.grouped ? ` (${group.samples} sample${group.samples === 1 ? "" : "s"})` : "";
      const lines = [`<b>${plain(name)}</b>`, plain(group.name) + samples, `${value} ${plain(data.units)}`];
      if (isScaled) lines.push(`${plain(scaled(data))}: ${digits(data.shown[row][column])}`);
      return lines.join("<br>");
    });
  });
}

function traces(data, isNarrow) {
  const isDiverging = data.scale === "zscore";
  return [
    {
      type: "heatmap",
      x: labels(data.groups.map((group) => group.name)),
      y: labels(data.genes.map((gene) => gene.name || gene.id)),
      z: data.shown,
      text: hover(data),
      hovertemplate: "%{text}<extra></extra>",
      colorscale: isDiverging ? "RdBu" : "Viridis",
      ...(isDiverging ? { zmid: 0 } : {}),
      colorbar: {
        title: { text: plain(scaled(data)), side: isNarrow ? "top" : "right" },
        thickness: 14,
        // On a phone the scale lies above the cells, which need the width.
        ...(isNarrow ? { orientation: "h", y: 1, yanchor: "bottom" } : {}),
      },
      hoverongaps: true,
    },
  ];
}

async function show(element) {
  const state = element.parentElement.querySelector("[data-state]");
  state.textContent = "Loading …";
  const reply = await fetch(element.dataset.source, { headers: { Accept: "application/json" } });
  const data = await reply.json();
  if (!reply.ok) throw new Error(data.message);
  element.style.height = `${Math.min(1600, Math.max(320, 160 + ROW * data.genes.length))}px`;
  await draw(element, () => traces(data, element.clientWidth < NARROW), {
    xaxis: { type: "category", tickangle: -45, showgrid: false },
    yaxis: { type: "category", autorange: "reversed", showgrid: false },
  });
  state.textContent = "";
}

const element = document.getElementById("heat-map");
show(element).catch((error) => {
  element.parentElement.querySelector("[data-state]").textContent = `The heat map cannot be drawn: ${error.message}`;
});

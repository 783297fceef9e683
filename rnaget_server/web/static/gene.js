// The plots of a gene: boxes or violins of the numbers that the server has computed, one below the other.

import { colour, draw, plain } from "./plot.js";

const ROW = 24;
const BELOW = 48;
const LINE = 18;
const LONGEST = { wide: 28, narrow: 14 };
const RIGHT = 12;
const POWERS = Array.from({ length: 16 }, (_, number) => number - 3);
// In the order in which they are chosen where there is no room for all.
const TICKS = [0, ...POWERS.map((power) => Number(`1e${power}`)), ...[2, 5].flatMap((first) => POWERS.map((power) => Number(`${first}e${power}`)))];

const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const written = (value) => (value === null ? "–" : String(value));

function hover(group) {
  const name = plain(group.name.replace(/(.{60})/g, "$1\n")).replaceAll("\n", "<br>");
  const numbers = ["q1", "median", "q3", "min", "max"].map((key) => `${key} ${written(group[key])}`);
  return `<b>${name}</b><br>n ${group.n}, ${numbers.slice(0, 3).join(", ")}<br>${numbers.slice(3).join(", ")}<extra></extra>`;
}

/** Return the outline of each density, around the place of its group, as one line with gaps. */
function outlines(groups, places) {
  const x = [];
  const y = [];
  groups.forEach(({ density }, number) => {
    if (!density) return;
    const { start, stop, heights } = density;
    const at = heights.map((_, point) => start + ((stop - start) * point) / (heights.length - 1));
    const half = heights.map((height) => height * 0.42);
    x.push(...at, ...at.toReversed(), at[0], null);
    y.push(...half.map((h) => places[number] + h), ...half.toReversed().map((h) => places[number] - h), places[number] + half[0], null);
  });
  return { x, y };
}

function traces(values) {
  const { groups, scale, plot } = values;
  const placed = scale === "log" ? (value) => (value === null ? null : Math.log10(value + 1)) : (value) => value;
  const drawn = groups.filter((group) => group.median !== null);
  const places = drawn.map((_, number) => number);
  const column = (key) => drawn.map((group) => placed(group[key]));
  const found = [];
  if (drawn.length > 0 && drawn.every((group) => group.n === 1)) {
    // A box of one value is a line.
    found.push({
      type: "bar", orientation: "h", x: column("median"), y: places, width: 0.64, hoverinfo: "skip",
      marker: { color: colour("accent-soft"), line: { color: colour("accent"), width: 1 } },
    });
  } else if (plot === "violin") {
    // Plotly draws boxes below lines, so the quartiles are lines here.
    const ends = drawn.flatMap((group) => [placed(group.q1), placed(group.q3), null]);
    found.push(
      {
        ...outlines(drawn, places),
        type: "scatter", mode: "lines", fill: "toself", hoverinfo: "skip",
        line: { color: colour("accent"), width: 1 }, fillcolor: colour("accent-soft"),
      },
      {
        type: "scatter", mode: "lines", name: "quartiles", hoverinfo: "skip",
        x: ends, y: places.flatMap((place) => [place, place, null]), line: { color: colour("accent"), width: 4 },
      },
    );
  } else {
    found.push({
      type: "box", orientation: "h", y: places, width: 0.64,
      q1: column("q1"), median: column("median"), q3: column("q3"),
      lowerfence: column("low"), upperfence: column("high"), boxpoints: false, hoverinfo: "skip",
      line: { color: colour("accent"), width: 1.25 }, fillcolor: colour("accent-soft"),
    });
  }
  const beyond = drawn.flatMap((group, number) => (group.outliers ?? []).map((value) => ({ value, number, group })));
  found.push({
    type: "scatter", mode: "markers", name: "outliers",
    x: beyond.map(({ value }) => placed(value)), y: beyond.map(({ number }) => number),
    customdata: beyond.map(({ value }) => value),
    hovertemplate: beyond.map(({ group }) => `${plain(shortened(group.name, 60))}: %{customdata}<extra></extra>`),
    marker: { color: colour("accent"), size: 4, opacity: 0.55 },
  });
  // A box has no hover text of its own: a point on each median has it, unseen where the box shows the median.
  found.push({
    type: "scatter", mode: "markers", name: "medians", x: column("median"), y: places,
    hovertemplate: drawn.map(hover), 
    marker: { size: plot === "violin" ? 7 : 14, opacity: plot === "violin" ? 1 : 0, color: colour("card"), line: { color: colour("accent"), width: 1.5 } },
  });
  return found;
}

/** Return how wide labels are: Plotly would draw twice to find out. */
function widths(labels) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return labels.map((label) => context.measureText(label).width);
}

/** Return the values that have a label at a logarithmic axis of so many pixels, none over another; the ends where no others lie between. */
function ticksBetween(least, greatest, pixels) {
  const place = (value) => Math.log10(value + 1);
  const span = Math.max(place(greatest) - place(least), 1e-9);
  const within = TICKS.filter((tick) => place(tick) >= place(least) - 0.05 * span && place(tick) <= place(greatest) + 0.05 * span);
  if (within.length < 2) within.push(...[least, greatest].map((value) => Number(value.toPrecision(4))));
  const shown = [];
  for (const [number, width] of widths(within.map(String)).entries()) {
    const at = ((place(within[number]) - place(least)) / (1.1 * span)) * pixels;
    if (shown.every((other) => Math.abs(other.at - at) > (other.width + width) / 2 + 10)) shown.push({ tick: within[number], at, width });
  }
  return shown.map(({ tick }) => tick).toSorted((one, other) => one - other);
}

function layout(values, width) {
  const drawn = values.groups.filter((group) => group.median !== null);
  const most = width < 500 ? LONGEST.narrow : LONGEST.wide;
  const labels = drawn.map((group) => shortened(group.name, most));
  const axis = { title: { text: plain(values.units), standoff: 8 }, zeroline: false, automargin: false };
  const left = Math.ceil(Math.max(...widths(labels))) + 14;
  if (values.scale === "log" && drawn.length > 0) {
    const least = drawn.every((group) => group.n === 1) ? 0 : Math.min(...drawn.map((group) => group.min));
    const shown = ticksBetween(least, Math.max(...drawn.map((group) => group.max)), width - left - RIGHT);
    Object.assign(axis, { tickvals: shown.map((tick) => Math.log10(tick + 1)), ticktext: shown.map(String) });
  }
  // Plotly leaves out hover texts that are higher than the whole plot.
  const lines = 2 + Math.max(1, ...drawn.map((group) => Math.ceil(group.name.length / 60)));
  const height = Math.max(LINE * (lines + 1) + BELOW, ROW + BELOW + ROW * drawn.length);
  return {
    height,
    margin: { t: ROW, r: RIGHT, b: height - ROW - ROW * drawn.length, l: left },
    showlegend: false,
    hovermode: "closest",
    xaxis: axis,
    yaxis: {
      autorange: false, range: [drawn.length - 0.5, -0.5], zeroline: false, showgrid: false,
      tickvals: drawn.map((_, number) => number),
      ticktext: labels.map(plain), automargin: false,
    },
  };
}

async function show(element) {
  let values;
  try {
    const reply = await fetch(element.dataset.values, { headers: { Accept: "application/json" } });
    values = await reply.json();
    if (!reply.ok) throw new Error(values.message);
  } catch (error) {
    element.textContent = `The plot cannot be drawn: ${error.message}`;
    return;
  }
  element.replaceChildren();
  await draw(element, () => traces(values), layout(values, element.clientWidth));
  element.dataset.drawn = "true";
}

function drawAll(root) {
  for (const element of root.querySelectorAll(".plot[data-values]")) show(element);
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("form.choices");
  if (form) form.requestSubmit();
});

drawAll(document);

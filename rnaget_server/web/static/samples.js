// The bars of a sample's highest features, out of the table next to them.

import { colour, draw, plain } from "./plot.js";

const LONGEST = 16;
const BAR = 18;
const BELOW = 56;

const element = document.getElementById("bars");
const units = plain(element.dataset.units);
const cells = [...document.querySelectorAll("td[data-value]")];
const names = cells.map((cell) => cell.dataset.name);
const ranks = names.map((_, place) => place + 1);

/** Return where the bars begin and how high each is: in the rows of the table, where it is next to them and none takes two lines. */
function places() {
  const [plot, first, last] = [element, cells[0].parentElement, cells.at(-1).parentElement].map((part) => part.getBoundingClientRect());
  const isBeside = first.left >= plot.right;
  const isEven = Math.abs(last.bottom - first.top - first.height * cells.length) < 2;
  return isBeside && isEven ? { top: first.top - plot.top, row: first.height } : { top: 24, row: BAR };
}

const { top, row } = places();
element.style.height = `${top + row * cells.length + BELOW}px`;
draw(
  element,
  () => [
    {
      type: "bar",
      orientation: "h",
      x: cells.map((cell) => Number(cell.dataset.value)),
      y: ranks,
      text: names.map(plain),
      textposition: "none",
      marker: { color: colour("accent") },
      hovertemplate: `%{text}<br>%{x:.5~g} ${units}<extra></extra>`,
    },
  ],
  {
    xaxis: { title: { text: units }, rangemode: "tozero" },
    yaxis: {
      tickvals: ranks, ticktext: names.map((name) => plain(name.slice(0, LONGEST))),
      autorange: false, range: [cells.length + 0.5, 0.5], showgrid: false,
    },
    margin: { t: top, r: 16, b: BELOW, l: 56 },
  },
);

// The bars of a sample's highest features, out of the table next to them.

import { colour, draw, plain } from "./plot.js";

const LONGEST = 16;
const BAR = 18;

const element = document.getElementById("bars");
const units = plain(element.dataset.units);
const cells = [...document.querySelectorAll("td[data-value]")];
const names = cells.map((cell) => cell.dataset.name);
const ranks = names.map((_, place) => place + 1);

element.style.height = `${80 + BAR * cells.length}px`;
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
    yaxis: { tickvals: ranks, ticktext: names.map((name) => plain(name.slice(0, LONGEST))), autorange: "reversed", showgrid: false },
  },
);

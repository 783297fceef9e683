// The bars of a sample's highest features, out of the table below them.

import { colour, draw, plain } from "./plot.js";

const element = document.getElementById("bars");
const cells = [...document.querySelectorAll("td[data-value]")];
const values = cells.map((cell) => Number(cell.dataset.value));
const names = cells.map((cell) => cell.dataset.name);

draw(
  element,
  () => [
    {
      type: "bar",
      x: names.map((_, place) => place + 1),
      y: values,
      text: names.map(plain),
      textposition: "none",
      marker: { color: colour("accent") },
      hovertemplate: `%{text}<br>%{y:.5~g} ${plain(element.dataset.units)}<extra></extra>`,
    },
  ],
  {
    xaxis: { tickvals: names.map((_, place) => place + 1), ticktext: names.map((name) => plain(name.slice(0, 20))), tickangle: -60 },
    yaxis: { title: { text: plain(element.dataset.units) }, rangemode: "tozero" },
  },
);

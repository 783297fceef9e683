// The plot of cells above the table of their groups: what is drawn comes from addresses that the page names.

import { css, grey, ofGroup, ofShare, pixel } from "./colours.js";
import { Scatter, inPieces } from "./scatter.js";

const STEP = 16384;
const FIRST_GROUP = 3; // levels before it: not shown, without a value, another value
const SHADES = 254;

const of = (id) => document.getElementById(id);
const plot = of("plot");
const canvas = of("canvas");
const { count } = plot.dataset;
const legend = [...document.querySelectorAll("#legend tbody tr")];
const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });

const say = (text) => {
  of("progress").textContent = text;
};

/** Return the bytes at an address, and say meanwhile how many of them have come. */
async function fetched(address, size, what) {
  const reply = await fetch(address);
  if (!reply.ok) throw new Error((await reply.json().catch(() => ({}))).message ?? `the server answers ${reply.status}`);
  const parts = [];
  let got = 0;
  const reader = reply.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    got += part.value.length;
    say(`Loading ${what}: ${Math.min(99, Math.floor((100 * got) / size))} %`);
  }
  return new Blob(parts).arrayBuffer();
}

/** Return the least and greatest number that is finite. */
async function extent(values) {
  const found = { least: Infinity, greatest: -Infinity };
  await inPieces(
    (function* look() {
      for (let at = 0; at < values.length; at += 1) {
        const value = values[at];
        if (value < found.least && value !== -Infinity) found.least = value;
        if (value > found.greatest && value !== Infinity) found.greatest = value;
        if (at % STEP === 0) yield;
      }
    })(),
  );
  return found;
}

class Cells {
  constructor(points, codes, values) {
    Object.assign(this, { codes, values });
    this.scatter = new Scatter(canvas, points, {
      progress: (share) => say(share < 1 ? `Drawing: ${Math.floor(share * 100)} %` : ""),
      moved: () => this.keep(),
    });
    const asked = new URLSearchParams(location.search);
    this.hidden = new Set();
    for (const row of legend) {
      const { kind, code } = row.dataset;
      const label = row.querySelector("th").textContent;
      if (kind ? asked.has(`hide-${kind}`) : asked.getAll("hide").includes(label)) this.hidden.add(Number(code));
    }
    const view = (asked.get("view") ?? "").split(",").map(Number);
    this.view = view.length === 3 && view.every(Number.isFinite) && view[2] > 0 ? view : null;
  }

  async start() {
    if (this.values) Object.assign(this, await extent(this.values));
    const [x, y, zoom] = this.view ?? [];
    await this.scatter.measure(this.view ? { x, y, zoom } : undefined);
    this.toggles();
    await this.colour();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
    document.addEventListener("themechange", () => this.recolour());
  }

  /** Give the level of each cell: of its group, or of its number. */
  async colour() {
    const { codes, values, hidden } = this;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    delete canvas.dataset.drawn;
    const levels = new Uint16Array(count);
    const level = values ? this.levelOfNumber() : (at) => this.levelOfCode(codes ? codes[at] : 0);
    await inPieces(
      (function* give() {
        for (let at = 0; at < levels.length; at += 1) {
          levels[at] = codes && hidden.has(codes[at]) ? 0 : level(at);
          if (at % STEP === 0) yield;
        }
      })(),
    );
    if (turn !== this.turn) return;
    await this.scatter.colour(levels, this.palette());
    this.describe();
  }

  levelOfCode(code) {
    const kind = this.kinds.get(code);
    return kind === "none" ? 1 : kind === "other" ? 2 : FIRST_GROUP + code;
  }

  levelOfNumber() {
    const { values, least, greatest } = this;
    const low = this.scaled(least);
    const wide = this.scaled(greatest) - low || 1;
    return (at) => {
      const share = (this.scaled(values[at]) - low) / wide;
      return share >= 0 ? FIRST_GROUP + Math.round(Math.min(share, 1) * SHADES) : values[at] < 0 ? FIRST_GROUP : 1;
    };
  }

  get logarithmic() {
    return of("log").checked && this.least >= 0;
  }

  scaled(value) {
    return this.logarithmic ? Math.log1p(value) : value;
  }

  palette() {
    const size = this.values ? SHADES + 1 : Math.max(1, ...legend.map((row) => Number(row.dataset.code) + 1));
    const palette = new Uint32Array(FIRST_GROUP + size);
    palette[1] = palette[2] = pixel(grey());
    for (let at = 0; at < size; at += 1) palette[FIRST_GROUP + at] = pixel(this.values ? ofShare(at / SHADES) : ofGroup(at));
    return palette;
  }

  recolour() {
    this.scatter.recolour(this.palette());
    this.describe();
  }

  /** Show what the colours mean. */
  describe() {
    for (const row of legend) {
      const swatch = row.querySelector("i");
      if (swatch) swatch.style.background = css(row.dataset.kind ? grey() : ofGroup(Number(row.dataset.code)));
    }
    if (!this.values || this.least > this.greatest) return;
    of("scale").hidden = false;
    const stops = Array.from({ length: 11 }, (_, at) => css(ofShare(at / 10)));
    of("bar").style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    of("least").textContent = plain.format(this.least);
    const scale = of("log").checked ? (this.logarithmic ? ", log(1 + value)" : "; negative numbers have no logarithm") : "";
    of("greatest").textContent = `${plain.format(this.greatest)} ${plot.dataset.numbers}${scale}`;
  }

  /** Make each group of the legend a button that hides its cells. */
  toggles() {
    this.kinds = new Map(legend.map((row) => [Number(row.dataset.code), row.dataset.kind]));
    for (const row of legend) {
      const head = row.querySelector("th");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "toggle";
      if (!this.values) button.append(document.createElement("i"));
      button.append(head.textContent);
      button.title = "Hide or show the cells of this group";
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const code = Number(row.dataset.code);
        if (!this.hidden.delete(code)) this.hidden.add(code);
        this.toggled();
      });
    }
    if (legend.length > 1) this.allOrNone();
    this.press();
  }

  allOrNone() {
    const buttons = document.createElement("p");
    buttons.className = "only";
    for (const [text, codes] of [["Show all", []], ["Hide all", [...this.kinds.keys()]]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.addEventListener("click", () => {
        this.hidden = new Set(codes);
        this.toggled();
      });
      buttons.append(button);
    }
    document.querySelector(".legend").append(buttons);
  }

  press() {
    for (const row of legend) {
      row.querySelector("button").setAttribute("aria-pressed", String(!this.hidden.has(Number(row.dataset.code))));
    }
  }

  toggled() {
    this.press();
    this.keep();
    this.colour();
  }

  /** Keep what is seen in the address of the page, and for the next choice of the form. */
  keep() {
    clearTimeout(this.later);
    this.later = setTimeout(() => {
      const asked = new URLSearchParams(location.search);
      for (const name of ["hide", "hide-other", "hide-none", "view", "log"]) asked.delete(name);
      for (const row of legend) {
        if (!this.hidden.has(Number(row.dataset.code))) continue;
        if (row.dataset.kind) asked.set(`hide-${row.dataset.kind}`, "1");
        else asked.append("hide", row.querySelector("th").textContent);
      }
      const { x, y, zoom } = this.scatter.view;
      const whole = this.scatter.whole();
      if (zoom !== 1 || x !== whole.x || y !== whole.y) {
        asked.set("view", [x, y, zoom].map((part) => Number(part.toPrecision(6))).join(","));
      }
      if (of("log").checked) asked.set("log", "1");
      history.replaceState(null, "", `?${asked}`);
    }, 250);
    canvas.classList.toggle("zoomed", this.scatter.view.zoom > 1);
  }

  /** Say which cell is at a place, with its group and number. */
  async point(x, y, reach) {
    const cell = this.scatter.pick(x, y, reach);
    if (cell === this.pointed) return;
    this.pointed = cell;
    if (cell < 0) return;
    const told = [];
    if (this.codes) {
      const row = legend.find((one) => Number(one.dataset.code) === this.codes[cell]);
      told.push(`${plot.dataset.by}: ${row.querySelector("th").textContent}`);
    }
    if (this.values) told.push(`${plot.dataset.numbers}: ${Number.isNaN(this.values[cell]) ? "no value" : plain.format(this.values[cell])}`);
    await new Promise((go) => setTimeout(go, 120));
    if (this.pointed !== cell) return;
    const reply = await fetch(plot.dataset.cell + cell);
    if (!reply.ok || this.pointed !== cell) return;
    const { id } = await reply.json();
    const link = document.createElement("a");
    link.href = plot.dataset.sample + encodeURIComponent(id);
    link.textContent = id;
    of("readout").replaceChildren(link, ` ${told.join(" · ")}`);
  }
}

/** Move and zoom by pointer, wheel and keys. */
function listen(cells) {
  const { scatter } = cells;
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    from = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.add("moving");
  });
  canvas.addEventListener("pointermove", (event) => {
    if (from) {
      scatter.move(event.clientX - from[0], event.clientY - from[1]);
      from = [event.clientX, event.clientY];
    } else {
      cells.point(event.offsetX, event.offsetY);
    }
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, () => {
      from = null;
      canvas.classList.remove("moving");
    });
  }
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      scatter.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY);
    },
    { passive: false },
  );
  const keys = {
    ArrowLeft: () => scatter.move(40, 0),
    ArrowRight: () => scatter.move(-40, 0),
    ArrowUp: () => scatter.move(0, 40),
    ArrowDown: () => scatter.move(0, -40),
    "+": () => scatter.zoom(1.3),
    "=": () => scatter.zoom(1.3),
    "-": () => scatter.zoom(1 / 1.3),
    0: () => scatter.look(scatter.whole()),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
    // Who has no pointer hears of the cell in the middle.
    setTimeout(() => cells.point(canvas.clientWidth / 2, canvas.clientHeight / 2, 40), 400);
  });
  of("in").addEventListener("click", keys["+"]);
  of("out").addEventListener("click", keys["-"]);
  of("reset").addEventListener("click", keys[0]);
  of("png").addEventListener("click", () => save(scatter));
  of("log").addEventListener("change", () => {
    if (!cells.values) return;
    cells.keep();
    cells.colour();
  });
}

/** Download the plot as it is seen, on the colour of the page. */
function save(scatter) {
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [canvas.width, canvas.height];
  const context = picture.getContext("2d");
  scatter.show(context);
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = getComputedStyle(document.querySelector(".frame")).backgroundColor;
  context.fillRect(0, 0, picture.width, picture.height);
  picture.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = plot.dataset.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

async function main() {
  plot.hidden = false;
  const { points, groups, values } = plot.dataset;
  try {
    const [places, codes, bytes] = await Promise.all([
      fetched(points, count * 8, "the points").then((got) => new Float32Array(got)),
      groups ? fetched(groups, count * 2, "the groups").then((got) => new Uint16Array(got)) : null,
      values ? fetched(values, count * 4, "the values") : null,
    ]);
    const numbers = bytes && (bytes.byteLength > count * 4 ? new Float64Array(bytes) : new Float32Array(bytes));
    if (places.length !== 2 * count || (codes && codes.length !== Number(count)) || (numbers && numbers.length !== Number(count))) {
      throw new Error("the matrix has changed: load this page again");
    }
    const cells = new Cells(places, codes, numbers);
    await cells.start();
    listen(cells);
  } catch (error) {
    say(`The cells cannot be drawn: ${error.message}`);
  }
  for (const id of ["embedding", "colour", "units"]) of(id)?.addEventListener("change", () => of("choices").requestSubmit());
}

main();

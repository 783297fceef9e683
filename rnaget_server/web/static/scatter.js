// Up to millions of points on a canvas. They are painted in pieces of a few milliseconds, so that the page never waits.

const PIECE = 10; // milliseconds
const STEP = 8192; // points between two looks at the clock
const NOTHING = -1;

/** Run a generator in pieces, one in each frame; the promise is fulfilled at its end. */
export function inPieces(work) {
  return new Promise((done) => {
    const go = () => {
      const until = performance.now() + PIECE;
      while (performance.now() < until) {
        if (work.next().done) return done();
      }
      return requestAnimationFrame(go);
    };
    go();
  });
}

export class Scatter {
  /** Take a canvas and the points: x and y of one after another, NaN for one without a place. */
  constructor(canvas, points, { progress = () => {}, moved = () => {} } = {}) {
    this.canvas = canvas;
    this.points = points;
    this.count = points.length / 2;
    this.progress = progress;
    this.moved = moved;
    this.buffer = document.createElement("canvas");
    this.levels = new Uint16Array(this.count);
    this.palette = new Uint32Array([0xff808080]);
    this.order = null;
    this.painting = false;
    this.dirty = false;
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  /** Find out where the points are. */
  async measure(view) {
    const { points } = this;
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    await inPieces(
      (function* look() {
        for (let at = 0; at < points.length; at += 2) {
          const x = points[at];
          const y = points[at + 1];
          if (x < box[0]) box[0] = x;
          if (x > box[2]) box[2] = x;
          if (y < box[1]) box[1] = y;
          if (y > box[3]) box[3] = y;
          if (at % STEP === 0) yield;
        }
      })(),
    );
    if (box[0] > box[2]) box.splice(0, 4, 0, 0, 1, 1);
    this.box = box;
    this.view = view ?? this.whole();
    this.resize();
  }

  /** Return the view of all points: what is in the middle, and how much it is enlarged. */
  whole() {
    const [left, bottom, right, top] = this.box;
    return { x: (left + right) / 2, y: (bottom + top) / 2, zoom: 1 };
  }

  /** Colour each point by its level, a place in the palette (0: not shown); higher levels are painted on top. */
  async colour(levels, palette) {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const order = new Uint32Array(levels.length);
    const starts = new Uint32Array(palette.length + 1);
    await inPieces(
      (function* sort() {
        for (let at = 0; at < levels.length; at += 1) {
          starts[levels[at] + 1] += 1;
          if (at % STEP === 0) yield;
        }
        for (let level = 1; level <= palette.length; level += 1) starts[level] += starts[level - 1];
        for (let at = 0; at < levels.length; at += 1) {
          order[starts[levels[at]]++] = at;
          if (at % STEP === 0) yield;
        }
      })(),
    );
    if (turn !== this.turn) return; // other colours were asked for meanwhile
    Object.assign(this, { levels, order, palette });
    this.repaint();
  }

  /** Show other colours for the same levels. */
  recolour(palette) {
    this.palette = palette;
    this.repaint();
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(this.canvas.clientWidth * ratio);
    const height = Math.round(this.canvas.clientHeight * ratio);
    if (!width || !height || !this.box) return;
    Object.assign(this, { ratio, width, height });
    this.canvas.width = width;
    this.canvas.height = height;
    this.show();
    this.repaint();
  }

  /** Return the pixels that a unit of the embedding takes in a view. */
  scale(view) {
    const [left, bottom, right, top] = this.box;
    const room = 0.92;
    return view.zoom * room * Math.min(this.width / (right - left || 1), this.height / (top - bottom || 1));
  }

  /** Paint the points, or note that they are to be painted again once that is done. */
  repaint() {
    if (!this.order || !this.width) return;
    if (this.painting) {
      this.dirty = true;
      return;
    }
    this.painting = true;
    this.dirty = false;
    const drawn = { view: { ...this.view }, width: this.width, height: this.height, painted: 0 };
    drawn.pixels = new ImageData(drawn.width, drawn.height);
    drawn.ids = new Int32Array(drawn.width * drawn.height).fill(NOTHING);
    inPieces(this.paint(drawn)).then(() => {
      this.buffer.width = drawn.width;
      this.buffer.height = drawn.height;
      this.buffer.getContext("2d").putImageData(drawn.pixels, 0, 0);
      delete drawn.pixels;
      this.drawn = drawn;
      this.painting = false;
      this.show();
      if (this.dirty) {
        this.repaint();
      } else {
        this.canvas.dataset.drawn = String(drawn.painted);
        this.progress(1);
      }
    });
    delete this.canvas.dataset.drawn;
  }

  *paint(drawn) {
    const { points, order, levels, palette, count } = this;
    const { width, height, ids, view } = drawn;
    const pixels = new Uint32Array(drawn.pixels.data.buffer);
    const scale = this.scale(view);
    const stamp = this.stamp(drawn);
    for (let at = 0; at < count; at += 1) {
      if (at % STEP === 0) {
        this.progress(at / count);
        yield;
      }
      const point = order[at];
      const colour = palette[levels[point]];
      if (!colour) continue;
      const x = Math.round((points[2 * point] - view.x) * scale + width / 2);
      const y = Math.round((view.y - points[2 * point + 1]) * scale + height / 2);
      if (!(x >= 0 && x < width && y >= 0 && y < height)) continue; // so is one without a place
      drawn.painted += 1;
      for (const [dx, dy] of stamp) {
        const column = x + dx;
        const row = y + dy;
        if (column < 0 || column >= width || row < 0 || row >= height) continue;
        const place = row * width + column;
        pixels[place] = colour;
        ids[place] = point;
      }
    }
  }

  /** Return the pixels of one point, around its middle: fewer, the more points there are. */
  stamp({ width, height, view }) {
    const room = (width * height * 0.2 * view.zoom) / Math.max(this.count, 1);
    const radius = Math.min(Math.max(Math.sqrt(room / Math.PI) * 1.2, 0.6), 4 * this.ratio);
    const reach = Math.floor(radius);
    const places = [];
    for (let dy = -reach; dy <= reach; dy += 1) {
      for (let dx = -reach; dx <= reach; dx += 1) {
        if (dx * dx + dy * dy <= radius * radius) places.push([dx, dy]);
      }
    }
    return places;
  }

  /** Show what was painted last, where it belongs in the view of now. */
  show(context = this.canvas.getContext("2d")) {
    const { drawn, view, width, height } = this;
    if (!drawn || !width) return;
    const larger = this.scale(view) / this.scale(drawn.view);
    const left = width / 2 + (drawn.view.x - view.x) * this.scale(view) - (drawn.width / 2) * larger;
    const top = height / 2 + (view.y - drawn.view.y) * this.scale(view) - (drawn.height / 2) * larger;
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.buffer, left, top, drawn.width * larger, drawn.height * larger);
  }

  /** Move by pixels of the page. */
  move(dx, dy) {
    const scale = this.scale(this.view);
    this.look({ ...this.view, x: this.view.x - (dx * this.ratio) / scale, y: this.view.y + (dy * this.ratio) / scale });
  }

  /** Enlarge by a factor around a place on the canvas, in pixels of the page; by default around its middle. */
  zoom(factor, x = this.width / this.ratio / 2, y = this.height / this.ratio / 2) {
    const zoom = Math.min(Math.max(this.view.zoom * factor, 0.5), 1000);
    const [dx, dy] = [x * this.ratio - this.width / 2, this.height / 2 - y * this.ratio];
    const [before, after] = [this.scale(this.view), this.scale({ zoom })];
    this.look({ x: this.view.x + dx / before - dx / after, y: this.view.y + dy / before - dy / after, zoom });
  }

  look(view) {
    this.view = view;
    this.show();
    this.repaint();
    this.moved();
  }

  /** Return the point that is seen at a place on the canvas or near it; -1 if there is none. */
  pick(x, y, reach = 4) {
    const { drawn } = this;
    if (!drawn || this.painting) return NOTHING;
    const [column, row] = [Math.round(x * this.ratio), Math.round(y * this.ratio)];
    let best = NOTHING;
    let nearest = Infinity;
    const far = Math.round(reach * this.ratio);
    for (let dy = -far; dy <= far; dy += 1) {
      for (let dx = -far; dx <= far; dx += 1) {
        const distance = dx * dx + dy * dy;
        const [at, down] = [column + dx, row + dy];
        if (distance >= nearest || at < 0 || down < 0 || at >= drawn.width || down >= drawn.height) continue;
        const found = drawn.ids[down * drawn.width + at];
        if (found !== NOTHING) [best, nearest] = [found, distance];
      }
    }
    return best;
  }
}

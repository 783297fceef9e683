// Colours that people with any kind of colour vision tell apart, for groups (Okabe and Ito) and for numbers (viridis).

const GROUPS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#b8a700"];
const SHADES = [0, -0.4, 0.45]; // darker, lighter
const SCALE = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];

const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const mixed = (from, to, share) => from.map((part, at) => Math.round(part + (to[at] - part) * share));

export const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark";

/** Return a colour as CSS has it. */
export const css = (colour) => `rgb(${colour.join(", ")})`;

/** Return a colour as a pixel of ImageData, seen as a number of 32 bits. */
export function pixel([red, green, blue]) {
  const bytes = new Uint8ClampedArray([red, green, blue, 255]);
  return new Uint32Array(bytes.buffer)[0];
}

/** Return the colour of a group by its number. After 21 groups they are repeated. */
export function ofGroup(number) {
  const base = parts(GROUPS[number % GROUPS.length]);
  const shade = SHADES[Math.floor(number / GROUPS.length) % SHADES.length];
  return mixed(base, shade < 0 ? [0, 0, 0] : [255, 255, 255], Math.abs(shade));
}

/** Return the colour of points that have no group or number. */
export const grey = () => (isDark() ? [84, 96, 99] : [196, 203, 205]);

/** Return the colour of a share from 0 to 1; high ones stand out from the page, whether it is dark or light. */
export function ofShare(share) {
  const place = (isDark() ? 0.12 + 0.88 * share : 0.94 * (1 - share)) * (SCALE.length - 1);
  const below = Math.min(Math.floor(place), SCALE.length - 2);
  return mixed(parts(SCALE[below]), parts(SCALE[below + 1]), place - below);
}

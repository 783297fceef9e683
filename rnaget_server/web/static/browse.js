"use strict";

// Draws tracks, reads and genes by igv.js. All it reads is of this server; the address of the page follows the region.

const place = document.getElementById("browse");
const wrong = document.getElementById("wrong");
const view = JSON.parse(place.dataset.view);
const NO_MORE = 1000;
const NARROW = 500;
const EXACT_BASES = 2e6;
const SEQUENCE_PIECE = 10_000;

const absolute = (path) => new URL(path, location.href).href;

function say(text) {
  wrong.textContent = text;
  wrong.hidden = !text;
}

async function asked(path, parameters, as = "json") {
  const reply = await fetch(`${absolute(path)}?${new URLSearchParams(parameters)}`);
  if (!reply.ok) throw new Error((await reply.json().catch(() => ({}))).message ?? `status ${reply.status}`);
  return reply[as]();
}

/** A track that is no file of its own: each region that is looked at is made by the server. */
function regionsOf(track) {
  return {
    async readFeatures(chr, start, end) {
      const from = Math.max(0, Math.floor(start));
      const bases = Math.ceil(end) - from;
      const parameters = { chr, start: from, end: from + bases, sampleIDList: track.name, format: "bedgraph" };
      if (bases > NO_MORE) Object.assign(parameters, { bins: NO_MORE, summary: "max" });
      if (bases > EXACT_BASES) parameters.approximate = "true";
      const text = track.regions.endsWith("/ticket")
        ? await (await fetch((await asked(track.regions, parameters)).url)).text()
        : await asked(track.regions, parameters, "text");
      return text.split("\n").map((line) => line.split("\t")).filter((fields) => fields.length === 4)
        .map(([name, first, last, value]) => ({ chr, start: Number(first), end: Number(last), value: Number(value) }));
    },
  };
}

function genesOf({ id, sequences, root }) {
  return {
    async readFeatures(chr, start, end) {
      const sequence = sequences[chr];
      if (sequence === undefined) return [];
      const region = { sequence, start: Math.max(0, Math.floor(start)), end: Math.ceil(end) };
      const { genes } = await asked(`${root}/genomes/${encodeURIComponent(id)}/genes`, region);
      return genes.map((gene) => ({
        chr,
        start: gene.start,
        end: gene.end,
        name: gene.symbol ?? gene.id,
        id: gene.id,
        strand: gene.strand,
        cdStart: gene.coding?.[0] ?? gene.end,
        cdEnd: gene.coding?.[1] ?? gene.end,
        exons: gene.exons.map(([first, last]) => exon(first, last, gene.coding)),
      }));
    },
  };
}

/** An exon as igv.js has it: the part that codes for protein is drawn higher. */
function exon(start, end, coding) {
  if (!coding || end <= coding[0] || start >= coding[1]) return { start, end, utr: true };
  return { start, end, cdStart: Math.max(start, coding[0]), cdEnd: Math.min(end, coding[1]) };
}

/** Let the browser have the letters of the genome from refget: of itself it reads whole files only. */
function readLetters(browser, { id, sequences, root }) {
  const pieces = new Map();
  const piece = async (name, start) => {
    const key = `${name}:${start}`;
    if (!pieces.has(key)) {
      const url = `${root}/sequence/${encodeURIComponent(`${id}:${name}`)}`;
      pieces.set(key, asked(url, { start, end: start + SEQUENCE_PIECE }, "text").catch(() => ""));
      if (pieces.size > 50) pieces.delete(pieces.keys().next().value);
    }
    return pieces.get(key);
  };
  const { sequence } = browser.genome;
  sequence.getSequence = async (chr, start, end) => {
    const name = sequences[chr];
    if (name === undefined) return null;
    const length = sequence.chromosomes.get(chr)?.bpLength ?? end;
    const first = Math.floor(start / SEQUENCE_PIECE) * SEQUENCE_PIECE;
    let letters = "";
    for (let at = first; at < Math.min(end, length); at += SEQUENCE_PIECE) letters += await piece(name, at);
    return letters.slice(start - first, end - first);
  };
  for (const { trackView } of browser.findTracks("type", "sequence")) {
    trackView.clearCachedFeatures();
    trackView.updateViews();
  }
}

/** Ask htsget for a sequence by the name that it has in the file, which igv.js does in files of its own alone. */
function nameAsInFile(reader) {
  const readData = reader.readData.bind(reader);
  reader.readData = (chr, start, end) => {
    const named = [...reader.chrAliasTable].find(([, name]) => name === chr);
    return named ? readData(named[0], start, end) : reader.readHeaderData();
  };
}

async function load(browser, config) {
  if (config.sourceType !== "htsget") return browser.loadTrack(config);
  const track = await window.igv.createTrack(config, browser);
  nameAsInFile(track.featureSource.bamReader);
  return browser.addTrack(config, track);
}

function tracks() {
  const signal = view.tracks.map((track) => ({
    type: "wig",
    name: track.name,
    height: 90,
    windowFunction: "max",
    autoscaleGroup: "signal",
    color: "rgb(15, 92, 99)",
    ...(track.file
      ? { format: "bigwig", url: absolute(track.file) }
      : { reader: regionsOf(track), expandQuery: false, disableCache: true }),
  }));
  const reads = (view.reads ?? []).map((reads) => ({
    type: "alignment",
    sourceType: "htsget",
    format: "bam",
    name: reads.name,
    url: absolute(reads.url),
    height: 250,
  }));
  const genes = view.genes
    ? [{ type: "annotation", name: "Genes", reader: genesOf(view.genome), visibilityWindow: 3e6, height: 90, displayMode: "EXPANDED", color: "rgb(90, 60, 140)" }]
    : [];
  return [...genes, ...signal, ...reads];
}

/** Have the address, the form and the links of the page follow the region. */
function follow([frame]) {
  if (frame.chr === "all") return;
  const start = Math.max(0, Math.floor(frame.start));
  const end = Math.ceil(frame.end);
  const region = `${frame.chr}:${start + 1}-${end}`;
  if (region === place.dataset.region) return;
  place.dataset.region = region;
  const address = new URL(location.href);
  address.searchParams.set("region", region);
  history.replaceState(history.state, "", address);
  document.getElementById("place").value = region;
  for (const link of document.querySelectorAll("a[data-of-region]")) {
    const url = new URL(link.href);
    for (const [name, value] of [["chr", frame.chr], ["start", start], ["end", end]]) url.searchParams.set(name, value);
    link.href = url.href;
  }
}

async function draw() {
  const progress = place.querySelector("[data-progress]");
  progress.hidden = false;
  const browser = await window.igv.createBrowser(place, {
    reference: { id: view.id, name: view.name, format: "chromsizes", url: absolute(view.sizes) },
    loadDefaultGenomes: false,
    search: false,
    showSampleNames: false,
    locus: place.dataset.region,
  });
  if (view.genome) readLetters(browser, view.genome);
  else browser.findTracks("type", "sequence").forEach((track) => browser.removeTrack(track));
  for (const [selector, name] of [["input[type=range]", "Zoom"], ["select", "Chromosome"]]) {
    place.shadowRoot.querySelector(selector)?.setAttribute("aria-label", name);
  }
  const size = place.shadowRoot.querySelector(".igv-windowsize-panel-container");
  if (place.clientWidth < NARROW) size?.remove(); // the form above has the region
  const failed = [];
  for (const track of tracks()) {
    await load(browser, track).catch((error) => failed.push(`${track.name}: ${error.message ?? error}`));
  }
  if (failed.length) say(`Some tracks cannot be drawn: ${failed.join("; ")}`);
  browser.on("locuschange", follow);
  progress.hidden = true;
  place.dataset.state = "drawn";
}

draw().catch((error) => {
  say(`The tracks cannot be drawn: ${error.message ?? error}`);
  place.dataset.state = "failed";
});

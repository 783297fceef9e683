// Opens pages in headless Chromium, takes a picture of each once its tracks are drawn, and tells what is on it.
//
//   node draw.mjs CHROMIUM < [{"url": …, "picture": …, "colours": {"name": [red, green, blue]}}, …]
//
// It prints, for each page, what went wrong, what was asked of which server, where the tracks lie from left to right,
// how many pixels of each column of the picture have each colour, and what the page itself has found.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const pages = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

async function drawn({ url, picture, colours }) {
  const page = await browser.newPage({ viewport: { width: 1200, height: 600 } });
  const wrong = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && wrong.push(message.text()));
  page.on("requestfailed", (request) => wrong.push(`${request.url()}: ${request.failure().errorText}`));
  page.on("pageerror", (error) => wrong.push(String(error)));
  const asked = [];
  page.on("request", (request) => /^https?:/.test(request.url()) && asked.push(request.url()));
  await page.goto(url);
  await page.waitForFunction(() => document.body.dataset.state, null, { timeout: 60_000 });
  const state = await page.evaluate(() => document.body.dataset.state);
  await page.waitForLoadState("networkidle");
  const png = await page.screenshot({ path: picture });
  const box = await page.locator(".igv-column .igv-viewport").last().boundingBox();
  const found = await page.evaluate(() => window.found ?? null);
  const columns = await page.evaluate(counted, [png.toString("base64"), colours]);
  await page.close();
  return { state, wrong, asked, left: box?.x, width: box?.width, columns, found };
}

async function counted([png, colours]) {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  return Object.fromEntries(
    Object.entries(colours).map(([name, [red, green, blue]]) => {
      const counts = new Array(image.width).fill(0);
      for (let at = 0; at < data.length; at += 4) {
        if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) counts[(at / 4) % image.width] += 1;
      }
      return [name, counts];
    }),
  );
}

try {
  const results = [];
  for (const page of pages) results.push(await drawn(page));
  console.log(JSON.stringify(results));
} finally {
  await browser.close();
}

// The page in headless Chromium: does it answer as Keras does?
//
// CRY_TF_CLIENT_FILES names a folder that tests/clients/write_exports.py wrote;
// CHROMIUM a browser, if it is in none of the usual places.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { decide } from "./decision.js";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};
const BROWSERS = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];

const folder = process.env.CRY_TF_CLIENT_FILES;
const executablePath = BROWSERS.find((path) => path && existsSync(path));
const skip = executablePath ? false : "there is no Chromium: name one in CHROMIUM";
const requests = [];
let server, browser, page, exported, opposite, decisions;

before(async () => {
  if (skip) return;
  assert.ok(folder, "CRY_TF_CLIENT_FILES must name what write_exports.py wrote");
  ({
    files: exported,
    opposite,
    decisions,
  } = JSON.parse(await readFile(join(folder, "expected.json"))));
  server = createServer(answer).listen(0, "127.0.0.1");
  const [clip] = Object.keys(exported[0].scores);
  browser = await chromium.launch({
    executablePath,
    chromiumSandbox: process.getuid?.() !== 0, // Chromium refuses it to root
    args: [
      "--use-fake-ui-for-media-stream",
      "--use-fake-device-for-media-stream",
      `--use-file-for-fake-audio-capture=${join(folder, clip)}`,
    ],
  });
  page = await browser.newPage();
  page.on("request", (request) => requests.push(new URL(request.url()).hostname));
  await page.goto(`http://127.0.0.1:${server.address().port}/index.html`);
});

after(async () => {
  await browser?.close();
  server?.close();
});

test("every window of every recording has Keras's scores", { skip }, async (t) => {
  for (const each of exported) {
    const { file, labels, scores, tolerance, window_s: windowS, hop_s: hopS } = each;
    await choose("#model", file, /scores windows of/);
    let worst = 0;
    for (const [clip, expected] of Object.entries(scores)) {
      await choose("#sound", clip, /windows scored/);
      const [header, ...rows] = await savedScores();
      assert.deepEqual(header, ["start_s", "end_s", ...labels]);
      assert.equal(rows.length, expected.length);
      rows.map((row) => row.map(Number)).forEach(([start, end, ...found], index) => {
        assert.ok(Math.abs(end - start - windowS) < 1e-9);
        if (index < rows.length - 1) assert.ok(Math.abs(start - index * hopS) < 1e-9);
        found.forEach((score, label) => {
          worst = Math.max(worst, Math.abs(score - expected[index][label]));
        });
      });
    }
    t.diagnostic(`${file}: at most ${worst.toPrecision(2)} from Keras`);
    assert.ok(worst <= tolerance, `${file} is ${worst} from Keras`);
  }
});

test("drawn scores have cry-lite's answers", { skip }, () => {
  let events = 0;
  for (const { labels, positiveLabel, decision, ...drawn } of decisions) {
    const { windows, ...expected } = drawn.answer;
    const rows = windows.map(([start, end], i) => ({
      start,
      end,
      scores: drawn.scores[i],
    }));
    const found = decide(rows, { labels, positiveLabel, decision }, drawn.duration_s);
    assert.equal(found.label, expected.label);
    const scored = labels.indexOf(positiveLabel ?? expected.label);
    assert.equal(found.score, found.scores[scored]);
    assert.equal(found.events.length, expected.events.length);
    found.events.forEach((event, i) => {
      assert.equal(event.label, expected.events[i].label);
      assert.ok(Math.abs(event.start - expected.events[i].start_s) < 6e-4);
      assert.ok(Math.abs(event.end - expected.events[i].end_s) < 6e-4);
      assert.ok(Math.abs(event.peak - expected.events[i].peak) < 1e-6);
    });
    found.scores.forEach((score, i) => {
      assert.ok(Math.abs(score - expected.scores[i]) < 1e-6);
    });
    events += found.events.length;
  }
  assert.ok(events > decisions.length, `${events} events say little`);
});

test("the page shows the lines of cry-lite", { skip }, async () => {
  let events = 0;
  for (const { file, lines } of exported) {
    if (!file.endsWith("_none.tflite")) continue; // others may cross a threshold
    await choose("#model", file, /scores windows of/);
    for (const [clip, expected] of Object.entries(lines)) {
      await choose("#sound", clip, /windows scored/);
      await showsLines(expected);
      events += expected.length - 1;
    }
  }
  assert.ok(events > 0, "no clip has an event: nothing is compared");
});

test("the microphone is scored window by window", { skip }, async () => {
  const { file, labels, hop_s: hopS } = exported[0];
  await choose("#model", file, /scores windows of/);
  await page.click("#listen");
  await page.waitForFunction(
    (label) => document.querySelector("#legend").textContent.includes(label),
    labels[0],
  );
  await page.waitForTimeout(4_000 * hopS);
  await page.click("#listen");
  await page.waitForFunction(
    () => document.querySelector("#status").textContent === "Stopped.",
  );
  const [, ...rows] = await savedScores();
  assert.ok(rows.length >= 3, `${rows.length} windows in 5 hops`);
  for (const [, , ...scores] of rows.map((row) => row.map(Number))) {
    const sum = scores.reduce((total, score) => total + score);
    assert.ok(Math.abs(sum - 1) < 1e-3, `scores sum to ${sum}`);
  }
  // The recording plays in place of a microphone: silence would score the same.
  assert.ok(new Set(rows.map((row) => row[2])).size > 1);
});

test("a file of dynamic length is refused with what to do", { skip }, async () => {
  await page.setInputFiles("#model", join(folder, "dynamic_length.tflite"));
  await page.waitForSelector("#status.failed");
  assert.match(await page.textContent("#status"), /cry-tf export --length SECONDS/);
});

test("a file that cry-tf did not export is refused", { skip }, async () => {
  await page.setInputFiles("#model", join(folder, "expected.json"));
  await page.waitForFunction(() =>
    document.querySelector("#status").textContent.includes("did not export"),
  );
});

test("opposite channels are mixed as cry-lite mixes them", { skip }, async () => {
  await choose("#model", opposite.model, /scores windows of/);
  await choose("#sound", opposite.clip, /windows scored/);
  const [, ...rows] = await savedScores();
  assert.equal(rows.length, opposite.scores.length);
  opposite.scores.flat().forEach((score, i) => {
    const shown = Number(rows.map((row) => row.slice(2)).flat()[i]);
    assert.ok(Math.abs(shown - score) < 1e-4, `${shown} for ${score}`);
  });
  assert.match(opposite.lines.at(-1), /^note: the channels cancel each other in 4\.1 s/);
  await showsLines(opposite.lines);
});

test("nothing leaves the computer", { skip }, async () => {
  // MediaPipe reports its use some seconds after a model was loaded.
  await page.waitForTimeout(3_000);
  const hosts = new Set(requests.filter((host) => host)); // a blob has none
  assert.deepEqual([...hosts], ["127.0.0.1"]);
});

async function choose(input, file, status) {
  await page.setInputFiles(input, join(folder, file));
  await page.waitForFunction(
    ([name, pattern]) => {
      const { className, textContent } = document.querySelector("#status");
      if (className === "failed") throw new Error(textContent);
      return textContent.startsWith(name) && new RegExp(pattern).test(textContent);
    },
    [file, status.source],
  );
}

/** Compares what the page says with lines, and the figures in them within a rounding. */
async function showsLines(expected) {
  const shown = [
    await page.textContent("#answer"),
    ...(await page.locator("#events li").allTextContents()),
  ];
  const words = (lines) => lines.map((line) => line.replaceAll(/[01]\.\d\d+/g, "x"));
  const scores = (lines) => lines.join().match(/[01]\.\d\d+/g)?.map(Number) ?? [];
  assert.deepEqual(words(shown), words(expected));
  scores(shown).forEach((score, i) => {
    assert.ok(Math.abs(score - scores(expected)[i]) < 0.011, shown.join());
  });
}

async function savedScores() {
  // Once in a while Chromium drops a click's download: another click asks again.
  let download = null;
  for (let clicks = 0; !download && clicks < 3; clicks++) {
    const begun = page.waitForEvent("download", { timeout: 10_000 }).catch(() => null);
    await page.click("#save");
    download = await begun;
  }
  assert.ok(download, "nothing was saved");
  const csv = await readFile(await download.path(), "utf-8");
  return csv
    .trimEnd()
    .split("\n")
    .map((line) => line.split(","));
}

async function answer(request, response) {
  const { pathname } = new URL(request.url, "http://localhost");
  const path = join(import.meta.dirname, normalize(pathname));
  try {
    const content = await readFile(path);
    response.writeHead(200, { "Content-Type": TYPES[extname(path)] ?? "text/plain" });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
}

// The page: a model, then a recording or the microphone, then scores over time.

import { mixChannels } from "./channel_mix.js";
import { decide } from "./decision.js";
import { Detector } from "./detector.js";
import { listen } from "./microphone.js";
import { colourOf, drawScores } from "./plot.js";
import { eventLine, summary } from "./report.js";

const KEPT_ROWS = 600; // of the microphone
const REPAINT_MS = 50;

const element = (id) => document.getElementById(id);
let detector = null;
let rows = []; // {start, end, scores}, seconds
let stopListening = null;
let shown = []; // events that are drawn

element("model").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) attempt(() => chooseModel(file));
});
element("sound").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) attempt(() => analyzeFile(file));
});
element("listen").addEventListener("click", () => attempt(toggleMicrophone));
window.addEventListener("resize", () => show(shown));

async function chooseModel(file) {
  await stop();
  detector?.close();
  detector = null;
  clear();
  allow(false);
  say(`Loading ${file.name}`);
  detector = await Detector.load(new Uint8Array(await file.arrayBuffer()));
  const { labels, sampleRate, windowSamples } = detector.settings;
  allow(true);
  say(
    `${file.name} scores windows of ${windowSamples / sampleRate} s at ` +
      `${sampleRate} Hz as ${labels.join(", ")}. Choose a recording, or listen.`,
  );
}

async function analyzeFile(file) {
  await stop();
  clear();
  allow(false);
  try {
    const { sampleRate } = detector.settings;
    const { mono, turned } = await decode(file, sampleRate);
    let painted = performance.now();
    for (const { start, window } of detector.windows(mono)) {
      add(start, window.length, detector.scores(window));
      if (performance.now() - painted > REPAINT_MS) {
        show([]);
        say(`${file.name}: ${rows.at(-1).end.toFixed(1)} s scored`);
        await new Promise(requestAnimationFrame);
        painted = performance.now();
      }
    }
    const duration = mono.length / sampleRate;
    const answer = decide(rows, detector.settings, duration);
    show(answer.events);
    element("answer").textContent = summary(answer, detector.settings, duration);
    list(answer.events, duration, turned ? [turnedNote(turned / sampleRate)] : []);
    offerScores();
    say(`${file.name}: ${rows.length} windows scored.`);
  } finally {
    allow(true);
  }
}

async function decode(file, sampleRate) {
  // Decoding in a context resamples to its rate.
  const context = new OfflineAudioContext(1, 1, sampleRate);
  const sound = await context.decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: sound.numberOfChannels }, (_, channel) =>
    sound.getChannelData(channel),
  );
  return mixChannels(channels, sampleRate);
}

function turnedNote(seconds) {
  return (
    `note: the channels cancel each other in ${seconds.toFixed(1)} s of the sound, as ` +
    "if one were wired the wrong way round: there one was turned before they were mixed"
  );
}

async function toggleMicrophone() {
  if (stopListening) {
    await stop();
    offerScores();
    say("Stopped.");
    return;
  }
  clear();
  stopListening = await listen(detector.settings, (start, window) => {
    add(start, window.length, detector.scores(window));
    rows = rows.slice(-KEPT_ROWS);
    const { end, scores } = rows.at(-1);
    const { events } = decide(rows, detector.settings, end);
    show(events, scores);
    list(events, end);
  });
  element("listen").textContent = "Stop";
  say("Listening.");
}

async function stop() {
  await stopListening?.();
  stopListening = null;
  element("listen").textContent = "Listen to the microphone";
}

function add(start, samples, scores) {
  const { sampleRate } = detector.settings;
  rows.push({
    start: start / sampleRate,
    end: (start + samples) / sampleRate,
    scores,
  });
}

function clear() {
  rows = [];
  element("save").hidden = true;
  for (const name of ["answer", "events", "legend"]) element(name).replaceChildren();
  show([]);
}

/** Draws rows and events; with the scores of now only while the microphone is on. */
function show(events, now = null) {
  shown = events;
  if (!detector) return;
  const { labels } = detector.settings;
  drawScores(element("plot"), rows, events, detector.settings);
  if (!rows.length) return;
  element("legend").replaceChildren(
    ...labels.map((label, index) => {
      const item = document.createElement("li");
      const colour = document.createElement("span");
      colour.className = "colour";
      colour.style.background = colourOf(label, detector.settings) ?? "transparent";
      item.append(colour, now ? `${label} ${now[index].toFixed(2)}` : label);
      return item;
    }),
  );
}

/** Lists events, then notes, for the sound so far: `duration` in seconds. */
function list(events, duration, notes = []) {
  const lines = events.map((event) => eventLine(event, detector.settings, duration));
  element("events").replaceChildren(
    ...[...lines, ...notes].map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }),
  );
}

function offerScores() {
  const { labels } = detector.settings;
  const lines = rows.map(({ start, end, scores }) => [start, end, ...scores].join(","));
  const csv = [["start_s", "end_s", ...labels].join(","), ...lines, ""].join("\n");
  URL.revokeObjectURL(element("save").href);
  element("save").href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
  element("save").hidden = false;
}

function allow(isAllowed) {
  element("sound").disabled = element("listen").disabled = !isAllowed;
}

function say(text) {
  element("status").className = "";
  element("status").textContent = text;
}

async function attempt(action) {
  try {
    await action();
  } catch (error) {
    element("status").className = "failed";
    element("status").textContent = error.message;
  }
}

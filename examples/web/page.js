// The page: a model, then a recording or the microphone, then scores over time.

import { Detector } from "./detector.js";
import { listen } from "./microphone.js";
import { colourOf, drawScores } from "./plot.js";

const KEPT_ROWS = 600; // of the microphone
const REPAINT_MS = 50;

const element = (id) => document.getElementById(id);
let detector = null;
let rows = []; // {start, end, scores}, seconds
let stopListening = null;

element("model").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) attempt(() => chooseModel(file));
});
element("sound").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) attempt(() => hearFile(file));
});
element("listen").addEventListener("click", () => attempt(toggleMicrophone));
window.addEventListener("resize", show);

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
    `${file.name} hears ${windowSamples / sampleRate} s at ${sampleRate} Hz and ` +
      `answers ${labels.join(", ")}. Choose a recording, or listen.`,
  );
}

async function hearFile(file) {
  await stop();
  clear();
  allow(false);
  try {
    const waveform = await decode(file, detector.settings.sampleRate);
    let painted = performance.now();
    for (const { start, window } of detector.windows(waveform)) {
      add(start, window.length, detector.scores(window));
      if (performance.now() - painted > REPAINT_MS) {
        show();
        say(`${file.name}: ${rows.at(-1).end.toFixed(1)} s heard`);
        await new Promise(requestAnimationFrame);
        painted = performance.now();
      }
    }
    show();
    offerScores();
    say(`${file.name}: ${rows.length} windows heard.`);
  } finally {
    allow(true);
  }
}

async function decode(file, sampleRate) {
  // Decoding in a context resamples to its rate.
  const context = new OfflineAudioContext(1, 1, sampleRate);
  const sound = await context.decodeAudioData(await file.arrayBuffer());
  const mono = sound.getChannelData(0).slice();
  for (let channel = 1; channel < sound.numberOfChannels; channel++) {
    sound.getChannelData(channel).forEach((sample, i) => (mono[i] += sample));
  }
  return mono.map((sample) => sample / sound.numberOfChannels);
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
    show();
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
  element("now").replaceChildren();
  show();
}

function show() {
  if (!detector) return;
  const { labels } = detector.settings;
  drawScores(element("plot"), rows, detector.settings);
  const last = rows.at(-1);
  if (!last) return;
  element("now").replaceChildren(
    ...labels.map((label, index) => {
      const item = document.createElement("li");
      const colour = document.createElement("span");
      colour.className = "colour";
      colour.style.background = colourOf(label, detector.settings) ?? "transparent";
      item.append(colour, `${label} ${last.scores[index].toFixed(2)}`);
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

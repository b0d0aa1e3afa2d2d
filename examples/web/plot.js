// Scores over time on a canvas: a line a label, and the threshold of the model.

const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const LEFT = 44;
const TOP = 12;
const RIGHT = 12;
const BOTTOM = 30;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{start: number, end: number, scores: number[]}[]} rows in order of time, seconds
 * @param {{start: number, end: number, label: string}[]} events shaded, seconds
 * @param {{labels: string[], positiveLabel: string | null, decision: object}} settings
 */
export function drawScores(canvas, rows, events, settings) {
  const scale = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.font = "12px system-ui, sans-serif";

  const first = rows.length ? rows[0].start : 0;
  const last = rows.length ? rows.at(-1).end : 1;
  const x = (s) => LEFT + ((s - first) / (last - first)) * (width - LEFT - RIGHT);
  const centre = ({ start, end }) => x((start + end) / 2);
  const y = (score) => TOP + (1 - score) * (height - TOP - BOTTOM);

  for (const event of events) {
    const left = x(event.start);
    context.fillStyle = "#ffe9c7";
    context.fillRect(left, TOP, x(event.end) - left, height - TOP - BOTTOM);
  }
  drawAxes(context, x, y, first, last);
  drawThreshold(context, y(settings.decision.onset_threshold), width);
  shownLabels(settings).forEach((label, index) => {
    const column = settings.labels.indexOf(label);
    context.strokeStyle = context.fillStyle = COLOURS[index % COLOURS.length];
    context.lineWidth = 2;
    context.beginPath();
    for (const row of rows) context.lineTo(centre(row), y(row.scores[column]));
    context.stroke();
    for (const row of rows) {
      context.fillRect(centre(row) - 2, y(row.scores[column]) - 2, 4, 4);
    }
  });
}

/** The labels with a line: of a detector only the one that means a cry. */
export function shownLabels({ labels, positiveLabel }) {
  return positiveLabel === null ? labels : [positiveLabel];
}

/** The colour of a label's line, for the legend. */
export function colourOf(label, settings) {
  return COLOURS[shownLabels(settings).indexOf(label) % COLOURS.length];
}

function drawAxes(context, x, y, first, last) {
  context.strokeStyle = "#d0d0d0";
  context.fillStyle = "#404040";
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const score of [0, 0.25, 0.5, 0.75, 1]) {
    context.beginPath();
    context.moveTo(x(first), y(score));
    context.lineTo(x(last), y(score));
    context.stroke();
    context.fillText(score.toFixed(2), LEFT - 6, y(score));
  }
  context.textBaseline = "top";
  for (const [s, align] of [[first, "left"], [(first + last) / 2, "center"]]) {
    context.textAlign = align;
    context.fillText(`${s.toFixed(1)} s`, x(s), y(0) + 8);
  }
  context.textAlign = "right";
  context.fillText(`${last.toFixed(1)} s`, x(last), y(0) + 8);
}

function drawThreshold(context, at, width) {
  context.save();
  context.strokeStyle = "#808080";
  context.setLineDash([6, 4]);
  context.beginPath();
  context.moveTo(LEFT, at);
  context.lineTo(width - RIGHT, at);
  context.stroke();
  context.restore();
}

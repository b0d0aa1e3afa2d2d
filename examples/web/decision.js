// From the scores of windows to events and to one answer, as cry_lite/decision.py does
// it; the test compares the two.

const TIME_TOLERANCE_S = 1e-6;

/**
 * @typedef {{start: number, end: number, scores: number[]}} Row a window, seconds
 * @typedef {{start: number, end: number, label: string, peak: number}} Event seconds
 */

/**
 * Answers for a whole recording.
 *
 * @param {Row[]} rows at least one, in order of time
 * @param {{labels: string[], positiveLabel: string | null, decision: object}} settings
 * @param {number} duration of the recording, seconds
 * @returns {{label: string, score: number, scores: number[], events: Event[]}} score is
 *   that of the label; of a detector, whatever its label, the highest onset threshold at
 *   which there would be an event
 */
export function decide(rows, settings, duration) {
  const { labels, positiveLabel, decision } = settings;
  const edges = cellEdges(rows, duration);
  const columns = positiveLabel === null ? labels : [positiveLabel];
  const own = rows.map(({ scores }) =>
    columns.map((label) => scores[labels.indexOf(label)]),
  );
  const smoothed = smooth(own, decision.smoothing_windows);
  const events = eventRuns(smoothed, edges, decision).map(({ label, first, end }) => ({
    start: edges[first],
    end: edges[end],
    label: columns[label],
    peak: Math.max(...own.slice(first, end).map((scores) => scores[label])),
  }));
  const mean = labels.map(
    (_, label) => rows.reduce((sum, { scores }) => sum + scores[label], 0) / rows.length,
  );
  if (positiveLabel === null) {
    const best = largest(mean);
    return { label: labels[best], score: mean[best], scores: mean, events };
  }
  const positive = labels.indexOf(positiveLabel);
  const reached = highestOnset(smoothed, edges, decision);
  const rest = mean.reduce((sum, score, i) => (i === positive ? sum : sum + score), 0);
  const scores = mean.map((score, i) => {
    if (i === positive) return reached;
    const share = rest > 0 ? score / rest : 1 / (labels.length - 1);
    return share * Math.max(0, 1 - reached);
  });
  const others = mean.map((score, i) => (i === positive ? -Infinity : score));
  const answer = events.length ? positive : largest(others);
  return { label: labels[answer], score: reached, scores, events };
}

/** The edges of the stretches of time that are nearest to the centre of each window. */
function cellEdges(rows, duration) {
  const centres = rows.map(({ start, end }) => (start + end) / 2);
  const between = centres.slice(1).map((centre, i) => (centres[i] + centre) / 2);
  return [rows[0].start, ...between, rows.at(-1).end].map((edge) =>
    Math.min(edge, duration),
  );
}

/** The running median of every column; at the ends the lower of two middle ones. */
function smooth(rows, width) {
  const half = Math.floor(width / 2);
  if (half === 0) return rows;
  return rows.map((row, index) => {
    const near = rows.slice(Math.max(0, index - half), index + half + 1);
    return row.map((_, label) => {
      const sorted = near.map((scores) => scores[label]).sort((a, b) => a - b);
      return sorted[Math.floor((sorted.length - 1) / 2)];
    });
  });
}

function eventRuns(smoothed, edges, decision) {
  const runs = [];
  let isOpen = false;
  smoothed.forEach((scores, index) => {
    const label = largest(scores);
    const score = scores[label];
    const last = runs.at(-1);
    if (isOpen && label === last.label && score >= decision.offset_threshold) {
      last.end = index + 1;
      return;
    }
    isOpen = score >= decision.onset_threshold;
    if (isOpen) runs.push({ label, first: index, end: index + 1 });
  });
  const joined = [];
  for (const run of runs) {
    const last = joined.at(-1);
    const gap = last ? edges[run.first] - edges[last.end] : Infinity;
    if (last?.label === run.label && gap < decision.max_gap_s - TIME_TOLERANCE_S) {
      last.end = run.end;
    } else {
      joined.push({ ...run });
    }
  }
  // Files of 0.1 have no confirmation.
  const needed = decision.confirmation_s ?? 0;
  const longestStretch = (label, first, end) => {
    let longest = 0;
    let begin = first;
    for (let index = first; index < end; index++) {
      const scores = smoothed[index];
      const isHigh =
        largest(scores) === label && scores[label] >= decision.onset_threshold;
      if (!isHigh) begin = index + 1;
      else longest = Math.max(longest, edges[index + 1] - edges[begin]);
    }
    return longest;
  };
  return joined.filter(
    ({ label, first, end }) =>
      edges[end] - edges[first] >= decision.min_event_s - TIME_TOLERANCE_S &&
      longestStretch(label, first, end) >= needed - TIME_TOLERANCE_S,
  );
}

/** The highest onset threshold at which there is an event; 0 if there is none at any. */
function highestOnset(smoothed, edges, decision) {
  const hasEvent = (score) => {
    const onset = Math.min(Math.max(score, 0), 1);
    const offset = Math.min(onset, decision.offset_threshold);
    const rule = { ...decision, onset_threshold: onset, offset_threshold: offset };
    return eventRuns(smoothed, edges, rule).length > 0;
  };
  const candidates = [...new Set(smoothed.map(([score]) => score))].sort((a, b) => a - b);
  if (hasEvent(candidates.at(-1))) return candidates.at(-1);
  let low = -1; // there is an event at low, none at high
  let high = candidates.length - 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (hasEvent(candidates[middle])) low = middle;
    else high = middle;
  }
  return low >= 0 ? candidates[low] : 0;
}

function largest(numbers) {
  return numbers.indexOf(Math.max(...numbers));
}

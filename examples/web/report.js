// The sentences that cry-lite prints, as cry_lite/text_report.py writes them; the test
// compares the two.

/**
 * @param {{label: string, score: number, events: object[]}} answer of `decide`
 * @param {{positiveLabel: string | null, decision: object}} settings
 * @param {number} duration of the recording, seconds
 * @returns {string} one line for the whole recording
 */
export function summary({ label, score, events }, settings, duration) {
  return `${roughly(duration)}, ${found(label, score, events, settings)}`;
}

/** One line for an event. */
export function eventLine({ start, end, label, peak }, { positiveLabel }, duration) {
  const what = positiveLabel === null ? label : "crying";
  const when =
    duration < 60
      ? `${start.toFixed(1)}-${end.toFixed(1)} s`
      : `${clock(start)}-${clock(end)}`;
  return `${what} ${when} (peak ${peak.toFixed(2)})`;
}

function found(label, score, events, { positiveLabel, decision }) {
  if (positiveLabel === null) {
    const reason = `${label} ${score.toFixed(2)}`;
    return events.length ? reason : `no clear reason (highest: ${reason})`;
  }
  if (events.length) {
    const total = events.reduce((sum, { start, end }) => sum + end - start, 0);
    const noun = events.length === 1 ? "episode" : "episodes";
    return `${events.length} crying ${noun}, ${roughly(total)} in all`;
  }
  for (let digits = 2; digits < 8; digits++) {
    // As many as are needed to see a difference.
    const [reached, needed] = [score, decision.onset_threshold].map((each) =>
      each.toFixed(digits),
    );
    if (reached !== needed) return `no crying (score ${reached}, threshold ${needed})`;
  }
  return "no crying";
}

function roughly(seconds) {
  if (seconds < 9.5) return `${Number(seconds.toPrecision(2))} s`;
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  if (seconds < 90 * 60) return `${(seconds / 60).toFixed(0)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const minutes = Math.floor(tenths / 600);
  const [h, m, s] = [Math.floor(minutes / 60), minutes % 60, (tenths % 600) / 10];
  return `${h}:${String(m).padStart(2, "0")}:${s.toFixed(1).padStart(4, "0")}`;
}

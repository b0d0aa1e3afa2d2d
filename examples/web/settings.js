// Reads what cry-tf wrote into a .tflite: a zip behind the network, with
// cry_tf.json (labels, sample rate, window, thresholds) stored as it is.

const SETTINGS = "cry_tf.json";
const DIRECTORY_END = 0x06054b50;
const DIRECTORY_END_BYTES = 22;

/**
 * @param {Uint8Array} bytes the whole .tflite
 * @returns {{task: string, labels: string[], positiveLabel: string | null,
 *   sampleRate: number, windowSamples: number, hopSamples: number,
 *   decision: object}} decision as `DecisionSpec` of cry_lite has it
 * @throws {Error} if the file is no export of cry-tf, or of dynamic length
 */
export function readSettings(bytes) {
  const { model, provenance } = JSON.parse(readEntry(bytes, SETTINGS));
  if (!Number.isInteger(provenance.input_samples)) {
    throw new Error(
      "MediaPipe needs a file of fixed length, and this one takes any. " +
        "Export it with cry-tf export --length SECONDS.",
    );
  }
  const sampleRate = model.front_end.sample_rate_hz;
  return {
    task: model.task,
    labels: model.labels,
    positiveLabel: model.positive_label,
    sampleRate,
    windowSamples: Math.round(model.decision.window_s * sampleRate),
    hopSamples: Math.round(model.decision.hop_s * sampleRate),
    decision: model.decision,
  };
}

function readEntry(bytes, wanted) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const short = (at) => view.getUint16(at, true);
  const long = (at) => view.getUint32(at, true);
  const text = (start, length) =>
    new TextDecoder().decode(bytes.subarray(start, start + length));
  try {
    // No comment stands behind the zip: its directory ends where the file ends.
    const end = bytes.length - DIRECTORY_END_BYTES;
    if (long(end) !== DIRECTORY_END) throw new RangeError();
    const directory = end - long(end + 12);
    // Offsets count from the start of the zip; it may say that this is the file's.
    const zipStart = directory - long(end + 16);
    let at = directory;
    for (let left = short(end + 10); left > 0; left--) {
      const size = long(at + 20);
      const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) =>
        short(at + offset),
      );
      if (text(at + 46, nameLength) === wanted) {
        const entry = zipStart + long(at + 42);
        return text(entry + 30 + short(entry + 26) + short(entry + 28), size);
      }
      at += 46 + nameLength + extraLength + commentLength;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // read beyond the end
  }
  throw new Error(`There is no ${wanted} inside: cry-tf did not export this file.`);
}

// Channels become one without one cancelling the other, as cry_lite/channel_mix.py does
// it; the test compares the two. Here blocks are cut at the rate of the model, for the
// browser has resampled already: in a file of another rate a change may come elsewhere.

const BLOCK_SAMPLES = 65_536;
const CANCELS_BELOW = 0.1;
const AGREES_ABOVE = 0.5;
const FADE_S = 0.01;

/**
 * @param {Float32Array[]} channels of equal length
 * @param {number} sampleRate Hz
 * @returns {{mono: Float32Array, turned: number}} turned: samples that were mixed with a
 *   channel turned; without one, the mix is the mean
 */
export function mixChannels(channels, sampleRate) {
  const total = channels[0].length;
  if (channels.length === 1) return { mono: channels[0].slice(), turned: 0 };
  const mono = new Float32Array(total);
  const fade = Math.max(1, Math.round(FADE_S * sampleRate));
  let signs = null; // null: the mean
  let turned = 0;
  for (let start = 0; start < total; start += BLOCK_SAMPLES) {
    const block = channels.map((each) => each.subarray(start, start + BLOCK_SAMPLES));
    const before = signs;
    signs = choose(block, before);
    const mixed = mix(block, signs);
    if (signs) turned += mixed.length;
    if (start > 0 && String(before) !== String(signs)) {
      const length = Math.min(fade, mixed.length);
      const old = mix(
        block.map((each) => each.subarray(0, length)),
        before,
      );
      old.forEach((sample, i) => {
        mixed[i] = sample + (i / length) * (mixed[i] - sample);
      });
    }
    mono.set(mixed, start);
  }
  return { mono, turned };
}

/** Returns 1 or -1 for each channel, or null for the mean. */
function choose(block, before) {
  // A constant offset is no sound, and may be all that the mean leaves.
  const centred = block.map((each) => {
    const mean = each.reduce((sum, sample) => sum + sample, 0) / each.length;
    return each.map((sample) => sample - mean);
  });
  const products = centred.map((one) =>
    centred.map((other) => one.reduce((sum, sample, i) => sum + sample * other[i], 0)),
  );
  const powers = products.map((row, channel) => row[channel]);
  const power = powers.reduce((sum, each) => sum + each);
  if (!power) return before;
  const left = products.flat().reduce((sum, each) => sum + each) / power;
  if (left >= (before ? AGREES_ABOVE : CANCELS_BELOW)) return null;
  const loudest = powers.indexOf(Math.max(...powers));
  const signs = products[loudest].map((product) => (product < 0 ? -1 : 1));
  return signs.map((sign) => sign * signs[0]); // the first keeps its way round
}

function mix(block, signs) {
  return block[0].map((_, i) => {
    const sum = block.reduce(
      (total, each, channel) => total + (signs ? signs[channel] : 1) * each[i],
      0,
    );
    return sum / block.length;
  });
}

// The microphone as a stream of windows at the rate of the model.

/**
 * Listens until the returned function is called.
 *
 * @param {{sampleRate: number, windowSamples: number, hopSamples: number}} settings
 * @param {(start: number, window: Float32Array) => void} onWindow called every hop, once
 *   a window is full, with the first sample of the window since the start
 * @returns {Promise<() => Promise<void>>} stops listening
 * @throws {DOMException} if there is no microphone, or the user refuses
 */
export async function listen(settings, onWindow) {
  const { sampleRate, windowSamples, hopSamples } = settings;
  const stream = await navigator.mediaDevices.getUserMedia({
    // What makes speech clear takes crying away.
    audio: {
      autoGainControl: false,
      echoCancellation: false,
      noiseSuppression: false,
    },
  });
  // The browser resamples to the rate of the model.
  const context = new AudioContext({ sampleRate });
  await context.audioWorklet.addModule("./microphone_worklet.js");
  const node = new AudioWorkletNode(context, "microphone", {
    channelCount: 1,
    channelCountMode: "explicit", // any other number is mixed to mono
    numberOfOutputs: 0,
  });

  const held = new Float32Array(windowSamples);
  let received = 0;
  let next = windowSamples;
  node.port.onmessage = ({ data }) => {
    held.copyWithin(0, data.length);
    held.set(data, windowSamples - data.length);
    received += data.length;
    if (received >= next) {
      onWindow(received - windowSamples, held.slice());
      next += hopSamples;
    }
  };
  context.createMediaStreamSource(stream).connect(node);

  return async () => {
    node.port.onmessage = null;
    for (const track of stream.getTracks()) track.stop();
    await context.close();
  };
}

// Runs in the audio thread: hands the samples on to the page.

class Microphone extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage(samples.slice());
    return true;
  }
}

registerProcessor("microphone", Microphone);

// A .tflite of cry-tf in the browser: windows of a waveform in, scores out.

import {
  AudioClassifier,
  FilesetResolver,
} from "./node_modules/@mediapipe/tasks-audio/audio_bundle.mjs";
import { readSettings } from "./settings.js";

const WASM = "./node_modules/@mediapipe/tasks-audio/wasm";

export class Detector {
  /**
   * @param {Uint8Array} bytes the whole .tflite
   * @returns {Promise<Detector>}
   */
  static async load(bytes) {
    const settings = readSettings(bytes);
    const fileset = await FilesetResolver.forAudioTasks(WASM);
    const classifier = await AudioClassifier.createFromModelBuffer(fileset, bytes);
    return new Detector(settings, classifier);
  }

  constructor(settings, classifier) {
    this.settings = settings;
    this.classifier = classifier;
  }

  close() {
    this.classifier.close();
  }

  /**
   * Scores one window.
   *
   * @param {Float32Array} window mono in [-1, 1] at settings.sampleRate, at most
   *   settings.windowSamples; MediaPipe completes it with zeros, which are padding
   * @returns {number[]} one score a label, in the order of settings.labels
   */
  scores(window) {
    const { labels, sampleRate } = this.settings;
    const [result] = this.classifier.classify(window, sampleRate);
    const scores = new Array(labels.length).fill(0);
    for (const category of result.classifications[0].categories) {
      scores[labels.indexOf(category.categoryName)] = category.score;
    }
    return scores;
  }

  /**
   * Cuts a waveform into the windows that cry-lite scores too: one every hop, and
   * one that ends where the waveform ends.
   *
   * @param {Float32Array} waveform
   * @returns {Generator<{start: number, window: Float32Array}>} start in samples
   */
  *windows(waveform) {
    const { windowSamples, hopSamples } = this.settings;
    const last = Math.max(waveform.length - windowSamples, 0);
    for (let start = 0; start < last + hopSamples; start += hopSamples) {
      const begin = Math.min(start, last);
      yield { start: begin, window: waveform.slice(begin, begin + windowSamples) };
    }
  }
}

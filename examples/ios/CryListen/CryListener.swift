import AVFoundation
import MediaPipeTasksAudio

/// A label and its score in [0, 1].
struct LabelScore: Identifiable {
  let label: String
  let value: Float
  var id: String { label }
}

/// Scores the last window of the microphone every hop.
@MainActor
final class CryListener: ObservableObject {
  @Published private(set) var scores: [LabelScore] = []
  @Published private(set) var message = ""

  /// Listens until the task that it runs in is cancelled, or something fails.
  func listen() async {
    guard await AVAudioApplication.requestRecordPermission() else {
      message = "Cry detection needs the microphone. Allow it in Settings."
      return
    }
    do {
      let ear = try Ear(model: "cry")
      defer { ear.stop() }
      message = "Listening"
      // The first window is not full yet.
      try await Task.sleep(for: .seconds(ear.windowSeconds))
      while true {
        let newScores = try await ear.scores()
        scores = newScores
        message = ear.isCry(newScores) ? "Crying" : "Listening"
        try await Task.sleep(for: .seconds(ear.settings.hopSeconds))
      }
    } catch is CancellationError {
      message = ""
    } catch {
      message = error.localizedDescription
    }
  }
}

/// The microphone and the model.
private final class Ear: @unchecked Sendable {
  let settings: ModelSettings
  private let classifier: AudioClassifier
  private let record: AudioRecord
  private let format: AudioDataFormat
  private var decision: CryDecision

  var windowSeconds: Double { Double(settings.windowSamples) / settings.sampleRate }

  /// - Parameter model: the name of a `.tflite` in the app.
  init(model: String) throws {
    guard let url = Bundle.main.url(forResource: model, withExtension: "tflite") else {
      throw CocoaError(.fileNoSuchFile)
    }
    settings = try ModelSettings(contentsOf: url)
    decision = CryDecision(settings.decision)
    let options = AudioClassifierOptions()
    options.baseOptions.modelAssetPath = url.path
    // Windows overlap, so each is a clip. The stream mode cuts them end to end.
    options.runningMode = .audioClips
    classifier = try AudioClassifier(options: options)
    // AudioRecord taps an AVAudioEngine, resamples, and keeps the last window.
    format = AudioDataFormat(channelCount: 1, sampleRate: settings.sampleRate)
    record = try AudioRecord(
      audioDataFormat: format, bufferLength: UInt(settings.windowSamples))
    try record.startRecording()
  }

  func stop() {
    try? record.stop()
  }

  /// Scores the last window, away from the main thread.
  func scores() async throws -> [LabelScore] {
    try await Task.detached(priority: .userInitiated) { [self] in
      let window = AudioData(format: format, sampleCount: UInt(settings.windowSamples))
      try window.load(audioRecord: record)
      let result = try classifier.classify(audioClip: window)
      let head = result.classificationResults.first?.classifications.first
      return (head?.categories ?? []).map { category in
        LabelScore(label: category.categoryName ?? "", value: category.score)
      }
    }.value
  }

  func isCry(_ scores: [LabelScore]) -> Bool {
    guard let cry = scores.first(where: { $0.label == settings.positiveLabel }) else {
      return false
    }
    return decision.add(cry.value)
  }
}

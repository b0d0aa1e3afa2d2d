import Foundation

/// What cry-tf wrote into a `.tflite`: its input, and when scores mean crying.
struct ModelSettings {
  let sampleRate: Double
  let windowSamples: Int
  let hopSeconds: Double
  /// The label that means a cry; nil if every label is an answer.
  let positiveLabel: String?
  let decision: DecisionSettings

  enum Failure: LocalizedError {
    case notExported
    case dynamicLength

    var errorDescription: String? {
      switch self {
      case .notExported: "The file was not written by cry-tf export."
      case .dynamicLength:
        "MediaPipe needs a file of fixed length: cry-tf export --length SECONDS."
      }
    }
  }

  /// Reads the settings out of a `.tflite` of fixed length.
  init(contentsOf url: URL) throws {
    let entry = try Self.readEntry("cry_tf.json", in: Data(contentsOf: url))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let file = try decoder.decode(File.self, from: entry)
    guard case .samples(let samples) = file.provenance.inputSamples else {
      throw Failure.dynamicLength
    }
    sampleRate = file.model.frontEnd.sampleRateHz
    windowSamples = samples
    hopSeconds = file.model.decision.hopS
    decision = file.model.decision
    positiveLabel = file.model.positiveLabel
  }

  private struct File: Decodable {
    let model: Model
    let provenance: Provenance

    struct Model: Decodable {
      let frontEnd: FrontEnd
      let decision: DecisionSettings
      let positiveLabel: String?
    }
    struct FrontEnd: Decodable {
      let sampleRateHz: Double
    }
    struct Provenance: Decodable {
      let inputSamples: Length
    }
    /// A number of samples, or the word "dynamic".
    enum Length: Decodable {
      case samples(Int)
      case dynamic

      init(from decoder: Decoder) throws {
        let value = try decoder.singleValueContainer()
        self = (try? value.decode(Int.self)).map(Self.samples) ?? .dynamic
      }
    }
  }

  /// Reads a file of the zip behind the network, which is stored as it is.
  private static func readEntry(_ name: String, in tflite: Data) throws -> Data {
    func number(_ at: Int, bytes: Int) throws -> Int {
      guard at >= 0, at + bytes <= tflite.count else { throw Failure.notExported }
      return tflite[at..<(at + bytes)].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    func content(_ at: Int, _ length: Int) throws -> Data {
      guard at >= 0, at + length <= tflite.count else { throw Failure.notExported }
      return tflite.subdata(in: at..<(at + length))
    }

    let end = tflite.count - 22  // of the zip's directory
    guard try number(end, bytes: 4) == 0x0605_4b50 else { throw Failure.notExported }
    var at = try end - number(end + 12, bytes: 4)
    let zipStart = try at - number(end + 16, bytes: 4)
    for _ in 0..<(try number(end + 10, bytes: 2)) {
      let nameLength = try number(at + 28, bytes: 2)
      if try content(at + 46, nameLength) == Data(name.utf8) {
        let entry = try zipStart + number(at + 42, bytes: 4)
        let header = try 30 + number(entry + 26, bytes: 2) + number(entry + 28, bytes: 2)
        return try content(entry + header, number(at + 20, bytes: 4))
      }
      at += try 46 + nameLength + number(at + 30, bytes: 2) + number(at + 32, bytes: 2)
    }
    throw Failure.notExported
  }
}

/// How scores become events, as `DecisionSpec` of cry_lite says.
struct DecisionSettings: Decodable {
  let hopS: Double
  let onsetThreshold: Double
  let offsetThreshold: Double
  let smoothingWindows: Int
  let minEventS: Double
  /// Files of 0.1 have none.
  let confirmationS: Double?
  let maxGapS: Double
}

/// Says by the scores of successive windows whether a baby cries now: the rule of
/// cry_lite/live_decision.py, for windows that come every hop.
struct CryDecision {
  private static let toleranceS = 1e-6  // times are no exact binary fractions

  private let rule: DecisionSettings
  private var recent: [Float] = []
  private var isOpen = false
  private var isConfirmed = false
  private var highS = 0.0  // of the unbroken stretch at the onset threshold
  private var eventS = 0.0  // from the event's start to the end of its last window
  private var gapS = 0.0  // since the event's last window
  private var hasEvent = false

  init(_ rule: DecisionSettings) {
    self.rule = rule
  }

  /// Takes the next window's score of the positive label.
  mutating func add(_ score: Float) -> Bool {
    recent.append(score)
    if recent.count > rule.smoothingWindows { recent.removeFirst() }
    if recent.count <= rule.smoothingWindows / 2 { return false }
    // The median stands for the window in the middle of them.
    let smoothed = Double(recent.sorted()[(recent.count - 1) / 2])
    let isHigh = smoothed >= rule.onsetThreshold
    highS = isHigh ? highS + rule.hopS : 0
    isOpen = isHigh || (isOpen && smoothed >= rule.offsetThreshold)
    if isOpen {
      if !hasEvent {
        isConfirmed = false
        eventS = 0
      }
      hasEvent = true
      eventS += gapS + rule.hopS
      gapS = 0
      let confirmationS = rule.confirmationS ?? 0
      isConfirmed = isConfirmed || (isHigh && highS >= confirmationS - Self.toleranceS)
    } else if hasEvent {
      gapS += rule.hopS
      if gapS >= rule.maxGapS - Self.toleranceS {
        hasEvent = false
        gapS = 0
      }
    }
    return hasEvent && isConfirmed && eventS >= rule.minEventS - Self.toleranceS
  }
}

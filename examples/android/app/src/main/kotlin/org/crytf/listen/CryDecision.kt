package org.crytf.listen

/** How scores become events, as `DecisionSpec` of cry_lite says. */
data class DecisionSettings(
    val hopS: Double,
    val onsetThreshold: Double,
    val offsetThreshold: Double,
    val smoothingWindows: Int,
    val minEventS: Double,
    val confirmationS: Double,
    val maxGapS: Double,
)

/**
 * Says by the scores of successive windows whether a baby cries now: the rule of
 * cry_lite/live_decision.py, for windows that come every hop.
 */
class CryDecision(private val rule: DecisionSettings) {
    private val recent = ArrayDeque<Float>()
    private var isOpen = false
    private var isConfirmed = false
    private var highS = 0.0 // of the unbroken stretch at the onset threshold
    private var eventS = 0.0 // from the event's start to the end of its last window
    private var gapS = 0.0 // since the event's last window
    private var hasEvent = false

    /** Takes the next window's score of the positive label. */
    fun add(score: Float): Boolean {
        recent.addLast(score)
        if (recent.size > rule.smoothingWindows) recent.removeFirst()
        if (recent.size <= rule.smoothingWindows / 2) return false
        // The median stands for the window in the middle of them.
        val smoothed = recent.sorted()[(recent.size - 1) / 2].toDouble()
        val isHigh = smoothed >= rule.onsetThreshold
        highS = if (isHigh) highS + rule.hopS else 0.0
        isOpen = isHigh || (isOpen && smoothed >= rule.offsetThreshold)
        if (isOpen) {
            if (!hasEvent) {
                isConfirmed = false
                eventS = 0.0
            }
            hasEvent = true
            eventS += gapS + rule.hopS
            gapS = 0.0
            isConfirmed =
                isConfirmed || (isHigh && highS >= rule.confirmationS - TOLERANCE_S)
        } else if (hasEvent) {
            gapS += rule.hopS
            if (gapS >= rule.maxGapS - TOLERANCE_S) {
                hasEvent = false
                gapS = 0.0
            }
        }
        return hasEvent && isConfirmed && eventS >= rule.minEventS - TOLERANCE_S
    }

    private companion object {
        const val TOLERANCE_S = 1e-6 // times are no exact binary fractions
    }
}

package org.crytf.listen

import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.roundToInt
import org.json.JSONObject

/**
 * What cry-tf wrote into a `.tflite`: its input, and when scores mean crying.
 *
 * @property positiveLabel the label that means a cry; null if every label is an answer
 */
data class ModelSettings(
    val sampleRateHz: Int,
    val windowSamples: Int,
    val hopSamples: Int,
    val positiveLabel: String?,
    val decision: DecisionSettings,
) {
    companion object {
        private const val ENTRY = "cry_tf.json"
        private const val DIRECTORY_END = 0x06054b50
        private const val DIRECTORY_END_BYTES = 22

        /** Reads the settings out of the bytes of a `.tflite` of fixed length. */
        fun read(tflite: ByteArray): ModelSettings {
            val settings = JSONObject(readEntry(tflite))
            val model = settings.getJSONObject("model")
            val decision = model.getJSONObject("decision")
            val inputSamples = settings.getJSONObject("provenance").optInt("input_samples")
            require(inputSamples > 0) {
                "MediaPipe needs a file of fixed length: cry-tf export --length SECONDS"
            }
            val sampleRateHz = model.getJSONObject("front_end").getInt("sample_rate_hz")
            return ModelSettings(
                sampleRateHz = sampleRateHz,
                windowSamples = inputSamples,
                hopSamples = (decision.getDouble("hop_s") * sampleRateHz).roundToInt(),
                positiveLabel =
                    if (model.isNull("positive_label")) null
                    else model.getString("positive_label"),
                decision =
                    DecisionSettings(
                        hopS = decision.getDouble("hop_s"),
                        onsetThreshold = decision.getDouble("onset_threshold"),
                        offsetThreshold = decision.getDouble("offset_threshold"),
                        smoothingWindows = decision.getInt("smoothing_windows"),
                        minEventS = decision.getDouble("min_event_s"),
                        confirmationS = decision.optDouble("confirmation_s", 0.0),
                        maxGapS = decision.getDouble("max_gap_s"),
                    ),
            )
        }

        // A zip stands behind the network. java.util.zip wants it at the start.
        private fun readEntry(tflite: ByteArray): String {
            val buffer = ByteBuffer.wrap(tflite).order(ByteOrder.LITTLE_ENDIAN)
            fun short(at: Int) = buffer.getShort(at).toInt() and 0xffff
            fun text(at: Int, length: Int) = String(tflite, at, length, Charsets.UTF_8)

            val end = tflite.size - DIRECTORY_END_BYTES
            require(end >= 0 && buffer.getInt(end) == DIRECTORY_END) {
                "The file was not written by cry-tf export"
            }
            var at = end - buffer.getInt(end + 12)
            val zipStart = at - buffer.getInt(end + 16)
            repeat(short(end + 10)) {
                val nameLength = short(at + 28)
                if (text(at + 46, nameLength) == ENTRY) {
                    val entry = zipStart + buffer.getInt(at + 42)
                    val content = entry + 30 + short(entry + 26) + short(entry + 28)
                    return text(content, buffer.getInt(at + 20))
                }
                at += 46 + nameLength + short(at + 30) + short(at + 32)
            }
            throw IllegalArgumentException("The file was not written by cry-tf export")
        }
    }
}

package org.crytf.listen

import android.Manifest
import android.content.Context
import android.media.AudioFormat
import android.media.AudioRecord
import android.media.MediaRecorder
import androidx.annotation.RequiresPermission
import com.google.mediapipe.tasks.audio.audioclassifier.AudioClassifier
import com.google.mediapipe.tasks.audio.audioclassifier.AudioClassifier.AudioClassifierOptions
import com.google.mediapipe.tasks.audio.core.RunningMode
import com.google.mediapipe.tasks.components.containers.AudioData
import com.google.mediapipe.tasks.components.containers.AudioData.AudioDataFormat
import com.google.mediapipe.tasks.core.BaseOptions
import kotlin.concurrent.thread

/**
 * Scores the last window of the microphone every hop, on a thread of its own.
 *
 * @param context gives the assets, where [modelAsset] is
 * @param modelAsset a `.tflite` of cry-tf of fixed length
 * @param onScores called on that thread with a score for each label, and whether the
 *   scores so far mean that a baby cries now
 * @param onFailure called on that thread when listening ends by itself
 */
class CryListener(
    context: Context,
    modelAsset: String,
    private val onScores: (scores: Map<String, Float>, isCrying: Boolean) -> Unit,
    private val onFailure: (Exception) -> Unit,
) : AutoCloseable {
    private val settings =
        ModelSettings.read(context.assets.open(modelAsset).use { it.readBytes() })

    private val decision = CryDecision(settings.decision)

    // Windows overlap, so each is a clip. MediaPipe's stream mode cuts them end to end.
    private val classifier =
        AudioClassifier.createFromOptions(
            context,
            AudioClassifierOptions.builder()
                .setBaseOptions(BaseOptions.builder().setModelAssetPath(modelAsset).build())
                .setRunningMode(RunningMode.AUDIO_CLIPS)
                .build(),
        )

    @Volatile private var isListening = false
    private var worker: Thread? = null

    /** Starts to listen, until [close]. */
    @RequiresPermission(Manifest.permission.RECORD_AUDIO)
    fun start() {
        val record = openMicrophone()
        isListening = true
        worker =
            thread(name = "cry-listener") {
                try {
                    record.startRecording()
                    listen(record)
                } catch (error: Exception) {
                    onFailure(error)
                } finally {
                    record.release()
                }
            }
    }

    override fun close() {
        isListening = false
        worker?.join() // at most one hop
        classifier.close()
    }

    private fun listen(record: AudioRecord) {
        val format =
            AudioDataFormat.builder()
                .setNumOfChannels(1)
                .setSampleRate(settings.sampleRateHz.toFloat())
                .build()
        val window = AudioData.create(format, settings.windowSamples) // a ring buffer
        val hop = FloatArray(settings.hopSamples)
        var heardSamples = 0L
        while (isListening) {
            val read = record.read(hop, 0, hop.size, AudioRecord.READ_BLOCKING)
            check(read == hop.size) { "The microphone stopped (code $read)" }
            window.load(hop)
            heardSamples += read
            if (heardSamples >= settings.windowSamples) score(window)
        }
    }

    private fun score(window: AudioData) {
        val result = classifier.classify(window).classificationResults().first()
        val categories = result.classifications().first().categories()
        val scores = categories.associate { it.categoryName() to it.score() }
        val cry = settings.positiveLabel?.let { scores.getValue(it) }
        onScores(scores, cry != null && decision.add(cry))
    }

    @RequiresPermission(Manifest.permission.RECORD_AUDIO)
    private fun openMicrophone(): AudioRecord {
        val format =
            AudioFormat.Builder()
                .setEncoding(AudioFormat.ENCODING_PCM_FLOAT)
                .setSampleRate(settings.sampleRateHz)
                .setChannelMask(AudioFormat.CHANNEL_IN_MONO)
                .build()
        val leastBytes =
            AudioRecord.getMinBufferSize(
                settings.sampleRateHz,
                AudioFormat.CHANNEL_IN_MONO,
                AudioFormat.ENCODING_PCM_FLOAT,
            )
        return AudioRecord.Builder()
            // Without the filters that make speech clear and take crying away.
            .setAudioSource(MediaRecorder.AudioSource.VOICE_RECOGNITION)
            .setAudioFormat(format)
            // Room for the sound that arrives while a window is scored.
            .setBufferSizeInBytes(
                maxOf(leastBytes, 2 * Float.SIZE_BYTES * settings.hopSamples)
            )
            .build()
    }
}

package org.crytf.listen

import android.Manifest
import android.content.pm.PackageManager
import android.os.Bundle
import android.view.WindowManager
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts.RequestPermission

/** Shows the scores of the microphone while the app is in front. */
class MainActivity : ComponentActivity() {
    private lateinit var status: TextView
    private lateinit var scores: TextView
    private var listener: CryListener? = null

    private val askForMicrophone =
        registerForActivityResult(RequestPermission()) { isGranted ->
            if (!isGranted) status.setText(R.string.no_microphone)
            // Granted: onResume comes again, and listens.
        }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_main)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        status = findViewById(R.id.status)
        scores = findViewById(R.id.scores)
        if (!mayListen()) askForMicrophone.launch(Manifest.permission.RECORD_AUDIO)
    }

    override fun onResume() {
        super.onResume()
        if (mayListen() && listener == null) listen()
    }

    override fun onPause() {
        stop()
        super.onPause()
    }

    private fun listen() {
        status.setText(R.string.listening)
        try {
            val made = CryListener(this, MODEL, ::show, ::fail)
            listener = made
            made.start()
        } catch (error: Exception) { // no such file, or no such microphone
            stop()
            fail(error)
        }
    }

    private fun stop() {
        listener?.close()
        listener = null
    }

    private fun show(found: Map<String, Float>, isCrying: Boolean) = runOnUiThread {
        status.setText(if (isCrying) R.string.crying else R.string.listening)
        scores.text =
            found.entries
                .sortedByDescending { it.value }
                .joinToString("\n") { (label, score) ->
                    getString(R.string.score, label, score)
                }
    }

    private fun fail(error: Exception) = runOnUiThread {
        status.text = error.message ?: error.javaClass.simpleName
    }

    private fun mayListen() =
        checkSelfPermission(Manifest.permission.RECORD_AUDIO) ==
            PackageManager.PERMISSION_GRANTED

    private companion object {
        const val MODEL = "cry.tflite"
    }
}

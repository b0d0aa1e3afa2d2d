plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "org.crytf.listen"
    compileSdk = 35

    defaultConfig {
        applicationId = "org.crytf.listen"
        minSdk = 24 // the oldest that MediaPipe Tasks runs on
        targetSdk = 35
        versionCode = 1
        versionName = "1.0"
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    kotlinOptions {
        jvmTarget = "17"
    }
    androidResources {
        noCompress += "tflite" // MediaPipe maps it into memory
    }
}

dependencies {
    implementation("androidx.activity:activity-ktx:1.9.3")
    implementation("com.google.mediapipe:tasks-audio:1.0.0")
}

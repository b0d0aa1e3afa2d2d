"""The whole chain at once: recordings, models, `.tflite` files, a night scored."""

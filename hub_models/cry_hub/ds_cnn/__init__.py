"""DS-CNN: a small depthwise-separable network for devices."""

"""Pretrained audio backbones as native Keras 3 models, with checked weights."""

"""Prunes, clusters and trains for int8, with fine-tuning, in a separate process.

tensorflow-model-optimization takes only Keras 2 models, and importing it switches the
whole process to Keras 2. So it runs in another process, on a copy of the model.
"""

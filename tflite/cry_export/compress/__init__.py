"""Prunes, clusters and trains for int8, with fine-tuning, in a process of its own.

tensorflow-model-optimization takes Keras 2 models alone, and importing it turns the
whole process to Keras 2. So it runs in another one, on a twin of the model.
"""

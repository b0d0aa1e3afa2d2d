"""Writes TFLite files that are proven equal to the Keras model they came from."""

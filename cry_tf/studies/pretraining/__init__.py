"""Pretraining of our small students on what AudioSet networks hear in recordings.

Networks that were trained on AudioSet hear windows of recordings; a student learns
to give their class scores and their embeddings. No label is used. Run it with
`python -m cry_tf.cli.pretrain --help`.
"""

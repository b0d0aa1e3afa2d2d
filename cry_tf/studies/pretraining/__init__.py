"""Pretraining of our small students on the scores of AudioSet networks.

Networks that were trained on AudioSet score windows of recordings; a student learns
to give their class scores and their embeddings. No label is used. Run it with
`python -m cry_tf.cli.pretrain --help`.
"""

"""The `cry-tf` command: one module a subcommand, none of which imports TensorFlow
before it runs.
"""

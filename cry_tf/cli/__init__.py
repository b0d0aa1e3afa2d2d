"""The `cry-tf` command: one module a subcommand, TensorFlow only when one runs."""

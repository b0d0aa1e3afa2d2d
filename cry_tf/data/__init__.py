"""Labelled recordings: loading, grouping, splitting, decoding, embeddings.

Names load when they are first used, so `import cry_tf.data` stays fast.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

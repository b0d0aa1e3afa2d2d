"""Augmentation of training clips: transforms, policies, mixup.

A transform draws its parameters apart from applying them; a policy takes several,
each with a probability. All draws come from a NumPy generator that the caller
gives. Names load when they are first used, so `import cry_tf.augment` stays fast.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

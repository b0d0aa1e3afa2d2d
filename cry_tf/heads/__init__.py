"""Heads on pooled embeddings: which there are, and how they are made.

`softmax` and `mlp` are trained by gradient. The others are fitted in one go on
the pooled embeddings of a frozen backbone. `softmax`, `mlp`, `logreg` and
`prototype` end as layers of a model; `svm` and `gmm` are arrays in the run folder.
"""

from __future__ import annotations

from typing import Literal

HeadName = Literal["softmax", "mlp", "svm", "gmm", "logreg", "prototype"]

# What each is, for help and reports.
HEADS: dict[str, str] = {
    "softmax": "one dense layer, trained by gradient",
    "mlp": "a hidden layer of 128 units before the dense layer, trained by gradient",
    "svm": (
        "a support vector machine a label against the rest (RBF, C = 1); its "
        "decisions become scores by a softmax whose scale is fitted on inner folds"
    ),
    "gmm": (
        "a Gaussian mixture a label on 32 whitened principal components, Bayes' rule; "
        "the scale of the logarithms is fitted on inner folds"
    ),
    "logreg": "multinomial logistic regression on standardised features (L2, C = 1)",
    "prototype": (
        "the cosine to the mean direction of each label's standardised features; the "
        "scale is fitted on inner folds"
    ),
}
FITTED_HEADS = ("svm", "gmm", "logreg", "prototype")
# The fitted heads that no network can hold.
ARRAY_HEADS = ("svm", "gmm")
# How a fitted head can count rare labels: the others change a training.
FITTED_IMBALANCES = ("none", "class_weight")


def model_head(head: str) -> str:
    """Returns the `head` of a `CryModel` that holds this head, if one can."""
    return head if head in ("mlp", "prototype") else "softmax"

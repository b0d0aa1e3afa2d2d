"""Lets every kernel have a few different values, and trains those."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras

from cry_export.compress.compression import FineTuning
from cry_export.compress.fine_tuning import Clips, fine_tune


def cluster(
    twin: tf_keras.Model,
    names: Collection[str],
    clusters: int,
    clips: Clips,
    targets: np.ndarray,
    tuning: FineTuning,
) -> tuple[tf_keras.Model, list[float]]:
    """Clusters kernels, each around separate centroids.

    Args:
        twin: Changed by it.
        names: Layers whose kernel is clustered.
        clusters: Values a kernel may hold.
        clips: What it is trained on.
        targets: The scores that it should give.
        tuning: How to train.

    Returns:
        The clustered twin, and the loss of each epoch.
    """
    start = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS

    def wrapped(layer):
        if layer.name not in names:
            return layer
        return tfmot.clustering.keras.cluster_weights(
            layer, number_of_clusters=clusters, cluster_centroids_init=start
        )

    clustered = tf_keras.models.clone_model(twin, clone_function=wrapped)
    losses = fine_tune(clustered, clips, targets, tuning)
    return tfmot.clustering.keras.strip_clustering(clustered), losses

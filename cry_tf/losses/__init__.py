"""Losses for data in which some labels are rare."""

from cry_tf.losses.focal_loss import FocalLoss
from cry_tf.losses.logit_adjusted_loss import LogitAdjustedLoss

__all__ = ["FocalLoss", "LogitAdjustedLoss"]

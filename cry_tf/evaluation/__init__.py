"""Evaluation: predictions, figures with intervals by group, reports."""

"""Whole experiments: quickstart, reproduction, personal models, pretraining."""

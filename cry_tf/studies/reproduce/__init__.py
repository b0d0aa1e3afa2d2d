"""Reproduces the tables of two papers."""

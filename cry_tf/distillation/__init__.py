"""Distillation: a small student learns what large teachers know."""

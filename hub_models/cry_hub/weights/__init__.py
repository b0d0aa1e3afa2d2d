"""Weights on this machine: fetched, checked, kept, verified."""

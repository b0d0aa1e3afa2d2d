"""Training: recipes, cross-validation by group, and the run folder it ends in."""

"""A reason model adapted to one infant, and what that gains."""

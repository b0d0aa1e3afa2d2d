"""Compares exported files by size, speed, memory and accuracy, and chooses one."""

"""What a run leaves on disk, and what it says on the way."""

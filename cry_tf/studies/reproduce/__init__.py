"""The tables of two papers, theirs beside ours."""

"""What the tables of two papers print, row by row."""

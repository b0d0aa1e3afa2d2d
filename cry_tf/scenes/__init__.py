"""Long recordings with known crying, made of short clips."""

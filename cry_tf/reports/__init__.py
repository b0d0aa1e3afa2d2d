"""HTML reports: one look, one place for plots, everything inside one file."""

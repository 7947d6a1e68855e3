"""Two models, or one asked twice, side by side."""

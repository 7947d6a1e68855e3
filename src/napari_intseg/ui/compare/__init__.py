"""Two models on the same clicks."""

"""Models that answer in 3-D at once."""

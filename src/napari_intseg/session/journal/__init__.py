"""What was done, written down so that it can be done again."""

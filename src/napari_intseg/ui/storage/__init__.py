"""What the window keeps between two days."""

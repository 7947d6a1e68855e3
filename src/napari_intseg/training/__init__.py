"""Training and fine-tuning of click networks."""

"""Models: the only room, with training, where torch lives."""

"""From one slice's mask to its neighbours."""

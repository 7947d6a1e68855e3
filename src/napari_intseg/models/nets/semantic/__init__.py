"""Plain networks that name the class of every pixel, on shared parts."""

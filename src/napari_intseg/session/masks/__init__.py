"""Masks of objects: kept small, put in place, settled where objects meet."""

"""Bare networks, without loading or pre-processing."""

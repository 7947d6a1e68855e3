"""Segment Anything and its kin."""

from napari_intseg._moved import old_names

__getattr__ = old_names(__name__)

"""Backpropagating refinement: BRS and f-BRS."""

from napari_intseg._moved import old_names

__getattr__ = old_names(__name__)

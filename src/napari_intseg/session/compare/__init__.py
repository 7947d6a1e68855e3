"""Two models, or one asked twice, side by side."""

from napari_intseg._moved import old_names

# the name was that of a module
__getattr__ = old_names(__name__)

"""Two models, or one asked twice, side by side."""

from napari_intseg._moved import old_names

__getattr__ = old_names(__name__)  # the name was that of a module

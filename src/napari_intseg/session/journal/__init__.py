"""What was done, written down so that it can be done again."""

from napari_intseg._moved import old_names

# the name was that of a module
__getattr__ = old_names(__name__)

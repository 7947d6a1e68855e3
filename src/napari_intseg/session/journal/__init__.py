"""What was done, written down so that it can be done again."""

from napari_intseg._moved import old_names

__getattr__ = old_names(__name__)  # the name was that of a module

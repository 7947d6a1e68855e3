"""The napari dock widget; the only room where napari and Qt live."""

"""DICOM series in; segmentations and contours in and out."""

from napari_intseg._moved import old_names

__getattr__ = old_names(__name__)

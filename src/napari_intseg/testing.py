"""What a third-party model needs to test itself."""

from napari_intseg.models.raw import raw_logits

__all__ = ["raw_logits"]

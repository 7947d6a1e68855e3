"""napari layers: prompts out of them, masks into them."""

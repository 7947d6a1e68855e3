"""Where embeddings are kept beyond the day: one choice for all images of a window."""

from dataclasses import dataclass
from pathlib import Path

import platformdirs

from napari_intseg.session.embeddings import EmbeddingFiles


@dataclass(slots=True)
class Shelf:
    """What is chosen now.

    Parameters
    ----------
    files : EmbeddingFiles or None
        None: embeddings stay in memory.
    """

    files: EmbeddingFiles | None = None


def usual_folder() -> Path:
    """Return where embeddings are kept unless another folder is chosen."""
    return platformdirs.user_cache_path("napari-intseg") / "embeddings"

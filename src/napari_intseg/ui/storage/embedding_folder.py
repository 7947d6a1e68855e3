"""The folder of embeddings on disk: one choice for all images of a viewer."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from napari_intseg.session.embeddings import EmbeddingFiles
from napari_intseg.session.session import Session


@dataclass(slots=True)
class EmbeddingFolder:
    """What is chosen now.

    Parameters
    ----------
    files : EmbeddingFiles or None
        None: embeddings stay in memory.
    """

    files: EmbeddingFiles | None = None

    def put(self, files: EmbeddingFiles | None, begun: Iterable[Iterable[Session]]) -> None:
        """Choose anew, for sessions that have begun as well, given image by image."""
        self.files = files
        for sessions in begun:
            for session in sessions:
                session.keep_embeddings(files)


def usual_folder() -> Path:
    """Return where embeddings are kept unless another folder is chosen."""
    return platformdirs.user_cache_path("napari-intseg") / "embeddings"

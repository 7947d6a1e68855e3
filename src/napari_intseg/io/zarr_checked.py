"""Zarr's store of a folder, whose files are checked when they are read. Imports zarr."""

from pathlib import Path
from typing import Any

from zarr.storage import LocalStore

from napari_intseg.io.file_checks import data_file
from napari_intseg.io.zarr_store import (
    METADATA,
    MOST_METADATA_BYTES,
    check_metadata,
    check_piece,
    wrong,
)


class CheckedStore(LocalStore):
    """Reads files of one folder only, of arrays whose codecs are known, that hold what they say.

    Every way in zarr to read (`get`, `get_sync`, `get_partial_values`) passes here before it
    decodes anything.
    """

    def __init__(self, root: Path | str, *, read_only: bool = True) -> None:
        super().__init__(root, read_only=read_only)
        self._found: dict[str, dict[str, Any]] = {}

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """Read a file, or a part of it, and check it."""
        self._before(key)
        return self._after(key, await super().get(key, prototype, byte_range), byte_range)

    def get_sync(self, key: str, *, prototype: Any = None, byte_range: Any = None) -> Any:
        """Read a file, or a part of it, and check it."""
        self._before(key)
        found = super().get_sync(key, prototype=prototype, byte_range=byte_range)
        return self._after(key, found, byte_range)

    async def get_partial_values(self, prototype: Any, key_ranges: Any) -> list[Any]:
        """Read parts of files and check them."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    def _before(self, key: str) -> None:
        there = data_file(self.root, key)
        is_about = key.rpartition("/")[2] in METADATA
        if is_about and there.is_file() and there.stat().st_size > MOST_METADATA_BYTES:
            raise wrong(self.root, f"metadata of at most {MOST_METADATA_BYTES} bytes", key)

    def _after(self, key: str, found: Any, asked: Any) -> Any:
        if found is None:
            return None
        content = found.as_buffer_like()
        folder, _, name = key.rpartition("/")
        if name in METADATA:
            told = check_metadata(key, bytes(content), self.root)
            # of an array that is described in both formats zarr takes the newer one
            if told is not None and (name == "zarr.json" or folder not in self._found):
                self._found[folder] = told
            return found
        # pieces of nested folders lie below their array's folder
        while folder and folder not in self._found:
            folder = folder.rpartition("/")[0]
        about = self._found.get(folder)
        if about is None:
            raise wrong(self.root, "pieces of an array whose metadata were read", key)
        check_piece(about, content, asked, self.root)
        return found

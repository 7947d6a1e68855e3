"""Libraries that only some formats need."""

from importlib import import_module
from typing import Any

from napari_intseg.errors import MissingExtraError


def lazy_extra(name: str) -> Any:
    """Import what the extra "lazy" installs: dask and zarr.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return _imported(name, "lazy", "OME-Zarr and files larger than memory need")


def hdf5_extra() -> Any:
    """Import h5py, which the extra "hdf5" installs.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return _imported("h5py", "hdf5", "HDF5 needs")


def _imported(name: str, extra: str, what: str) -> Any:
    try:
        return import_module(name)
    except ImportError as err:
        raise MissingExtraError(
            f"{what} {name.partition('.')[0]}: expected it to be installed, got {err!r}. "
            f'Install it with: pip install "napari-intseg[{extra}]".'
        ) from err

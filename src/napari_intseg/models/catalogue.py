"""The catalogue of weight files, one entry each; neither numpy nor torch is needed to read it."""

from dataclasses import dataclass

from napari_intseg.errors import WeightsError


@dataclass(frozen=True, slots=True)
class WeightFile:
    """What is known of a weight file without having it.

    Parameters
    ----------
    key : str
        Its name in the catalogue; a `ModelSpec` refers to it.
    family : str
        The family of models that reads it.
    file : str
        Its file name, as published.
    address : str or None
        Where it can be fetched; None: only added by hand.
    sha256 : str or None
        Lower-case hexadecimal; None: not published, then the first fetch records it.
    licence : str
        Of the weights, SPDX where there is one.
    size_mb : float or None
        Millions of bytes, as far as published.
    paper : str
        An arXiv number or a DOI.
    note : str
        Anything to know before fetching, e.g. "research only".
    """

    key: str
    family: str
    file: str
    address: str | None = None
    sha256: str | None = None
    licence: str = "not stated"
    size_mb: float | None = None
    paper: str = ""
    note: str = ""


def _ritm(key: str, file: str, size_mb: float, sha256: str | None = None) -> WeightFile:
    address = "https://github.com/saic-vul/ritm_interactive_segmentation/releases/download/v1.0/"
    return WeightFile(
        key, "ritm", file, address + file, sha256, "MIT", size_mb, "arXiv:2102.06583"
    )  # fmt: skip


_FILES = (
    _ritm("ritm-hrnet18s", "coco_lvis_h18s_itermask.pth", 16.5),
    # the authors publish no checksums; this one is quoted alike by three independent users
    _ritm("ritm-hrnet18", "coco_lvis_h18_itermask.pth", 38.8,
          "5f69cfce354d1507e3850bfc39ee7057c8dd27b6a4910d1d2dc724916b9ee32b"),
    _ritm("ritm-hrnet32", "coco_lvis_h32_itermask.pth", 119.0),
    _ritm("ritm-hrnet18-baseline", "coco_lvis_h18_baseline.pth", 38.8),
    _ritm("ritm-hrnet18-sbd", "sbd_h18_itermask.pth", 38.8),
    WeightFile("ritm-resnet34", "ritm", "r34_dh128_cocolvis.pth", licence="MIT",
               paper="arXiv:2102.06583",
               note="not published; train it with the authors' recipe of the same name"),
)  # fmt: skip

CATALOGUE: dict[str, WeightFile] = {entry.key: entry for entry in _FILES}
"""Every weight file by key. Adding one is one entry above."""


def find_entry(key: str) -> WeightFile:
    """Return the entry of a key.

    Raises
    ------
    WeightsError
        If there is none.
    """
    if key not in CATALOGUE:
        raise WeightsError(
            f"weights are unknown: expected one of {', '.join(sorted(CATALOGUE))}, got {key!r}. "
            "`napari-intseg weights list` shows them."
        )
    return CATALOGUE[key]

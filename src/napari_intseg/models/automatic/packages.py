"""Models that other packages run: Cellpose and InstanSeg, with weights that are here already."""

import json
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from napari_intseg.core.segmenter import Array, FloatArray, Segmenter
from napari_intseg.errors import MissingExtraError, WeightsError
from napari_intseg.models.automatic.start_model import Finding, StartTraits, check_no_texts
from napari_intseg.models.device import choose_device, memory_guard

_CELLPOSE = ("cpsam_v2", "cpsam")
"""Files of Cellpose-SAM, the newest first."""


class LabelModel:
    """A model that answers an image with labels, one a cell.

    Parameters
    ----------
    traits : StartTraits
    run : callable
        Returns labels (H, W) of an image (H, W, 3) in [0, 1].
    device : torch.device
    name : str
        Of each object.
    """

    def __init__(self, traits: StartTraits, run: Any, device: Any, name: str = "cell") -> None:
        self._traits, self._run, self._device, self._name = traits, run, device, name

    @property
    def traits(self) -> StartTraits:
        """What is told of it before it runs."""
        return self._traits

    def find(
        self,
        image: FloatArray,
        texts: Sequence[str] = (),
        *,
        threshold: float | None = None,
        masks_by: Segmenter | None = None,  # noqa: ARG002
    ) -> tuple[Finding, ...]:
        """Return the cells of an image (H, W, 3) in [0, 1]; all are equally sure.

        Raises
        ------
        PromptError
            If there are texts.
        DeviceError
            If the device runs out of memory.
        """
        check_no_texts(self._traits.title, texts)
        if threshold is not None and threshold > 1:
            return ()
        with memory_guard(self._device):
            labels: Array = np.asarray(self._run(np.asarray(image, np.float32)))
        numbers = np.unique(labels[labels > 0]).tolist()
        return tuple(Finding(np.asarray(labels == n), self._name, 1.0) for n in numbers)

    def release(self) -> None:
        """Let the model go."""
        self._run = None


def load_cellpose(rest: str = "", *, device: str = "auto") -> LabelModel:
    """Load Cellpose-SAM through the package `cellpose`; nothing is fetched.

    Parameters
    ----------
    rest : str
        A weights file; empty: that in Cellpose's own folder.
    device : str, default "auto"

    Raises
    ------
    MissingExtraError
        If `cellpose` is not installed.
    WeightsError
        If the weights are not there.
    DeviceError
        If the device does not exist.
    """
    _check_installed("cellpose", "Cellpose")
    told = os.environ.get("CELLPOSE_LOCAL_MODELS_PATH")
    folder = Path(told) if told else Path.home() / ".cellpose" / "models"
    places = [Path(rest).expanduser()] if rest else [folder / name for name in _CELLPOSE]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise WeightsError(
            f"weights are missing: expected Cellpose's file {_CELLPOSE[0]}, got none in "
            f"{str(places[0].parent)!r}. Run Cellpose once, or fetch it from its page and name it "
            "as cellpose:FILE."
        )
    from cellpose import models

    chosen = choose_device(device)
    net = models.CellposeModel(
        pretrained_model=str(path), device=chosen, use_bfloat16=chosen.type == "cuda"
    )

    def run(image: FloatArray) -> Array:
        return np.asarray(net.eval(image, channel_axis=-1)[0])

    traits = StartTraits("Cellpose-SAM", "CC-BY-NC-4.0", "not for commercial use")
    return LabelModel(traits, run, chosen)


def load_instanseg(rest: str = "", *, device: str = "auto") -> LabelModel:
    """Load a model of InstanSeg through the package `instanseg-torch`; nothing is fetched.

    Only models that the package has fetched itself are run: they are TorchScript, which is a
    program.

    Parameters
    ----------
    rest : str
        ``NAME`` or ``NAME:nuclei`` or ``NAME:cells``; empty: "fluorescence_nuclei_and_cells".
    device : str, default "auto"

    Raises
    ------
    MissingExtraError
        If `instanseg-torch` is not installed.
    WeightsError
        If the package has no such model here.
    DeviceError
        If the device does not exist.
    """
    _check_installed("instanseg", "InstanSeg")
    name, _, target = rest.partition(":")
    name = name or "fluorescence_nuclei_and_cells"
    import instanseg

    there = _fetched(Path(str(instanseg.__file__)).parent / "bioimageio_models")
    if name not in there:
        raise WeightsError(
            f"weights are missing: expected one of {', '.join(there) or 'none'} that InstanSeg has "
            f"fetched, got {name!r}. Run InstanSeg({name!r}) once."
        )
    chosen = choose_device(device)
    net = instanseg.InstanSeg(name, device=str(chosen), verbosity=0)

    def run(image: FloatArray) -> Array:
        answer = net.eval_small_image(
            np.moveaxis(image, -1, 0), return_image_tensor=False, target=target or "all_outputs"
        )
        maps = np.asarray(answer.cpu().numpy()).reshape(-1, *image.shape[:2])
        return np.asarray(maps[-1])  # of nuclei and cells the cells

    return LabelModel(StartTraits(f"InstanSeg {name}", "Apache-2.0"), run, chosen)


def _fetched(folder: Path) -> tuple[str, ...]:
    """Return the published models that lie in InstanSeg's own folder."""
    folder = Path(os.environ.get("INSTANSEG_BIOIMAGEIO_PATH") or folder)
    index = folder / "model-index.json"
    try:
        known = {str(one["name"]) for one in json.loads(index.read_text("utf-8"))}
    except (OSError, ValueError, LookupError, TypeError):
        return ()
    return tuple(name for name in sorted(known) if any((folder / name).glob("*/instanseg.pt")))


def _check_installed(package: str, title: str) -> None:
    if find_spec(package) is None:
        raise MissingExtraError(
            f"{title} needs a package that is not installed: expected {package}. Install it with: "
            "pip install 'napari-intseg[cells]'"
        )

"""Models that find objects: a click model asked everywhere, Cellpose, InstanSeg, micro-sam.

The weights of packages must be here already.
"""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from napari_intseg.core.files import read_json
from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Array, BoolArray, FloatArray, Query, Segmenter
from napari_intseg.errors import MissingExtraError, WeightsError
from napari_intseg.models.automatic.start_model import Finding, StartTraits, check_no_texts
from napari_intseg.models.device import choose_device, memory_guard

# clicks along each side. SAM takes 32: four times the time, for objects below a thirtieth of the
# image, which are too many to correct one by one.
_SIDE = 16

# A mask stays if it hardly changes where logits are cut at -1 and 1; SAM asks for 0.95 of masks
# that were trained to be so, arXiv:2304.02643, appendix B
_STABLE, _MARGIN = 0.9, 1.0

# of two masks that overlap (IoU) more, the less stable one goes; 0.7 as in SAM's code
_OVERLAP = 0.7
# share of the image: a larger mask is its ground, not an object
_MOST_SHARE = 0.9


class Everything:
    """Clicks on a grid, one after the other, and keeps what is stable and new; see `load`."""

    def __init__(self, model: Segmenter, side: int = _SIDE) -> None:
        self._model, self._side = model, side

    @property
    def traits(self) -> StartTraits:
        """What is told of it before it runs."""
        return StartTraits(f"everything by {self._model.traits.name}")

    def find(
        self,
        image: FloatArray,
        texts: Sequence[str] = (),
        *,
        threshold: float | None = None,
        masks_by: Segmenter | None = None,  # noqa: ARG002
    ) -> tuple[Finding, ...]:
        """Return what is in an image (H, W, 3) in [0, 1], the most stable first.

        Parameters
        ----------
        image : ndarray of float32
        texts : sequence of str
            Must be empty.
        threshold : float, optional
            Least stability, 0 to 1; 0.9 by default.
        masks_by : Segmenter, optional
            Not used.

        Raises
        ------
        PromptError
            If there are texts.
        """
        check_no_texts(self.traits.title, texts)
        least = _STABLE if threshold is None else threshold
        prepared = self._model.prepare(image)
        found: list[tuple[float, BoolArray]] = []
        height, width = image.shape[:2]
        for row in (np.arange(self._side) + 0.5) * height / self._side:
            for col in (np.arange(self._side) + 0.5) * width / self._side:
                click = Click(float(int(row)), float(int(col)))
                logits = self._model.predict(Query(prepared, Prompts((click,)))).logits
                mask, score = np.asarray(logits > 0), stability(logits)
                if score >= least and 0 < mask.sum() < _MOST_SHARE * mask.size:
                    found.append((score, mask))
        return tuple(Finding(mask, "object", score) for score, mask in distinct(found))

    def release(self) -> None:
        """Return the device's memory."""
        release = getattr(self._model, "release", None)
        if release is not None:
            release()


def stability(logits: FloatArray) -> float:
    """Return the overlap of the masks cut a margin above and below 0; 0 for an empty one."""
    low = np.count_nonzero(logits > -_MARGIN)
    return np.count_nonzero(logits > _MARGIN) / low if low else 0.0


def distinct(found: Sequence[tuple[float, BoolArray]]) -> list[tuple[float, BoolArray]]:
    """Return scores and masks of which no two overlap much, the best first."""
    kept: list[tuple[float, BoolArray]] = []
    for score, mask in sorted(found, key=lambda one: -one[0]):
        size = np.count_nonzero(mask)
        shared = ((np.count_nonzero(mask & other), np.count_nonzero(other)) for _, other in kept)
        if all(both <= _OVERLAP * (size + own - both) for both, own in shared):
            kept.append((score, mask))
    return kept


def load_everything(rest: str = "", *, device: str = "auto") -> Everything:
    """Load a click model by name, "bundled" by default, to click everywhere with.

    Raises
    ------
    UnknownModelError, MissingExtraError, WeightsError, DeviceError
        As for `load_model`.
    """
    from napari_intseg.models.registry import DEFAULT_MODEL, load_model

    return Everything(load_model(rest or DEFAULT_MODEL, device=device))


# files of Cellpose-SAM, the newest first
_CELLPOSE = ("cpsam_v2", "cpsam")


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
        # all cells are equally sure (1), so only a threshold above that leaves them out
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
    # imported after the weights were found: a message about these comes at once
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
        # of nuclei and cells the cells
        return np.asarray(maps[-1])

    return LabelModel(StartTraits(f"InstanSeg {name}", "Apache-2.0"), run, chosen)


def load_micro_sam(rest: str = "", *, device: str = "auto") -> LabelModel:
    """Load a model of micro-sam, whose decoder finds all objects at once; nothing is fetched.

    Parameters
    ----------
    rest : str
        A weights file, or the name of one in micro-sam's own folder, "vit_b_lm" by default. A
        decoder that it does not hold itself is looked for beside it: "vit_b_lm_decoder".
    device : str, default "auto"

    Raises
    ------
    MissingExtraError
        If `transformers` is not installed.
    WeightsError
        If the weights are not there, damaged, or without a decoder.
    DeviceError
        If the device does not exist.
    """
    if find_spec("transformers") is None:
        raise MissingExtraError(
            "micro-sam needs a package that is not installed: expected transformers. Install it "
            "with: pip install 'napari-intseg[sam]'"
        )
    path = Path(rest).expanduser()
    if not rest or not path.is_file():
        path = _micro_sam_folder() / (rest or "vit_b_lm")
    if not path.is_file():
        raise WeightsError(
            f"weights are missing: expected a model of micro-sam, got none at {str(path)!r}. Let "
            "micro-sam fetch it once, or name a file as micro-sam:FILE."
        )
    chosen = choose_device(device)
    # imported after the weights were found: a message about these comes at once
    from napari_intseg.models.automatic.proposals import from_centre_and_edge
    from napari_intseg.models.sam.sam import load_cell_maps

    beside = path.with_name(f"{path.stem}_decoder{path.suffix}")
    net = load_cell_maps(path, beside if beside.is_file() else None).to(chosen)

    def run(image: FloatArray) -> Array:
        return from_centre_and_edge(net.maps(image, chosen), min_px=_LEAST_PX)

    return LabelModel(StartTraits(f"micro-sam {path.stem}", "as published"), run, chosen, "object")


# smaller pieces are specks, as in `semantic_model`
_LEAST_PX = 10


def _micro_sam_folder() -> Path:
    """Return where micro-sam keeps what it fetched."""
    told = os.environ.get("MICROSAM_CACHEDIR")
    return (Path(told) if told else user_cache_path("micro_sam")) / "models"


def _fetched(folder: Path) -> tuple[str, ...]:
    """Return the published models that lie in InstanSeg's own folder."""
    folder = Path(os.environ.get("INSTANSEG_BIOIMAGEIO_PATH") or folder)
    index = folder / "model-index.json"
    try:
        known = {str(one["name"]) for one in read_json(index)}
    except (OSError, ValueError, LookupError, TypeError):
        return ()
    return tuple(name for name in sorted(known) if any((folder / name).glob("*/instanseg.pt")))


def _check_installed(package: str, title: str) -> None:
    if find_spec(package) is None:
        raise MissingExtraError(
            f"{title} needs a package that is not installed: expected {package}. Install it with: "
            "pip install 'napari-intseg[cells]'"
        )

"""One way to load whatever segments without clicks: a file, a folder or a name."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from napari_intseg.errors import UnknownModelError
from napari_intseg.models.automatic.exported_files import RDF_NAMES
from napari_intseg.models.automatic.start_model import StartModel
from napari_intseg.models.weights.locate import search_folders
from napari_intseg.models.weights.store import SEMANTIC, find_own, read_metadata

_HERE = "napari_intseg.models.automatic"

NAMED: dict[str, str] = {
    "cellpose": f"{_HERE}.click_and_cell_models:load_cellpose",
    "instanseg": f"{_HERE}.click_and_cell_models:load_instanseg",
    "micro-sam": f"{_HERE}.click_and_cell_models:load_micro_sam",
    "everything": f"{_HERE}.click_and_cell_models:load_everything",
}
"""By name, as ``module:function``; what stands behind a colon after the name is its argument."""

PACKAGES = {
    "cellpose": "cellpose", "instanseg": "instanseg", "micro-sam": "transformers",
    "everything": "torch",
}  # fmt: skip
"""The package that each of `NAMED` needs."""

_EXTRAS = {"cellpose": "cells", "instanseg": "cells", "micro-sam": "sam", "everything": "torch"}

KINDS = (
    "an ONNX file with its description beside it, a package of the BioImage Model Zoo (rdf.yaml), "
    "a folder as the Hugging Face hub has them (config.json), a network of `napari-intseg train "
    "--task semantic` or its name"
)

# endings of files as mmsegmentation and its kin publish them
_TORCH = (".pth", ".pt")


def load_start_model(where: str | Path, *, device: str = "auto") -> StartModel:
    """Load a model that segments without clicks; nothing is fetched.

    Parameters
    ----------
    where : str or Path
        An ONNX file with its description beside it, a package of the BioImage Model Zoo, a folder
        as the Hugging Face hub has them, a network that was trained here or its file, or a name of
        `NAMED`, with an argument of its own behind a colon: ``everything:sam-vit-b``.
    device : str, default "auto"

    Raises
    ------
    UnknownModelError
        If it is none of these.
    MissingExtraError, WeightsError, DeviceError
        As the loader of its kind says.
    """
    name, _, rest = str(where).partition(":")
    path = Path(where).expanduser()
    # a folder of that name wins: what lies there was meant
    if name in NAMED and not path.exists():
        module, function = NAMED[name].split(":")
        build: Callable[..., StartModel] = getattr(import_module(module), function)
        return build(rest, device=device)
    loader = _loader_of(path)
    # a run's own folder may have the name of what it made
    if loader is None and str(where) in _own():
        from napari_intseg.models.automatic.semantic_model import load_own

        return load_own(str(where), device=device)
    if loader is None:
        names = f", or one of {', '.join(NAMED)}" if NAMED else ""
        is_torch = path.is_file() and path.suffix.lower() in _TORCH
        advice = (
            "Convert it first: `napari-intseg weights convert FILE --network NAME --name NAME`."
            if is_torch
            else "Check the path."
        )
        raise UnknownModelError(
            f"no model that segments without clicks: expected {KINDS}{names}, got {str(where)!r}. "
            f"{advice}"
        )
    return loader(path, device=device)


def _loader_of(path: Path) -> Callable[..., StartModel] | None:
    # imported here, since they import torch and a list of names does not need it
    from napari_intseg.models.automatic import automatic, exported, semantic_model

    if path.suffix.lower() == ".onnx":
        return exported.load_exported
    if path.suffix.lower() == ".safetensors" and path.is_file():
        return semantic_model.load_semantic
    if path.suffix.lower() in (".yaml", ".yml") or any(
        (path / name).is_file() for name in RDF_NAMES
    ):
        return exported.load_bioimage
    if (path / "config.json").is_file():
        return automatic.load_folder
    return None


def known_names() -> dict[str, tuple[str, str, str]]:
    """Return title, licence and state of what can be asked for by name, installed or not."""
    titles = {
        "cellpose": ("Cellpose-SAM, cellpose:FILE for other weights", "CC-BY-NC-4.0"),
        "instanseg": ("InstanSeg, instanseg:NAME", "Apache-2.0"),
        "micro-sam": ("micro-sam's decoder, micro-sam:FILE or :NAME", "as published"),
        "everything": ("a grid of clicks of any model, everything:MODEL", "the model's"),
    }
    here = names_here()
    out = {
        name: (*told, "ready" if name in here else f"needs napari-intseg[{_EXTRAS[name]}]")
        for name, told in titles.items()
    }
    for name, path in sorted(_own().items()):
        is_published = bool(read_metadata(path).get("layout"))
        told = ("published weights, converted", "as published") if is_published else _TRAINED
        out[name] = (*told, "ready")
    return out


_TRAINED = ("your own training", "your own")


def names_here() -> tuple[str, ...]:
    """Return what can be loaded by name here: what was trained, and what is installed."""
    installed = (name for name, package in PACKAGES.items() if find_spec(package) is not None)
    return (*sorted(_own()), *installed)


def _own() -> dict[str, Path]:
    """Return the networks that were trained here; torch stays unloaded, a window asks."""
    return find_own(tuple(search_folders()), SEMANTIC)

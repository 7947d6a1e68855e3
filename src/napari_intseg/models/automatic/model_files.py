"""Read a folder of an automatic model, as the Hugging Face hub has them; nothing is fetched."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_intseg.errors import MissingExtraError, WeightsError
from napari_intseg.models.automatic.families import FAMILIES, Family, is_installed

_TOKENIZER = ("tokenizer.json", "vocab.json", "vocab.txt")


def read_net(family: Family, folder: Path) -> Any:
    """Return the network of a folder, on the CPU, in evaluation mode.

    Parameters
    ----------
    family : Family
        What it must be.
    folder : Path
        With ``config.json`` and weights as safetensors; pickled weights are not read, and no code
        of the folder is run.

    Raises
    ------
    MissingExtraError
        If `transformers` is not installed.
    WeightsError
        If the folder is none, is of another family, lacks a file, or does not fit its own
        configuration.
    """
    if not is_installed():
        raise MissingExtraError(
            f"{family.title} needs a package that is not installed: expected transformers. "
            "Install it with: pip install 'napari-intseg[automatic]'"
        )
    _check_folder(family, folder)
    import transformers
    from safetensors import SafetensorError

    loader = getattr(transformers, family.loader, None)
    if loader is None:
        raise MissingExtraError(
            f"{family.title} needs another version of a package: expected transformers with "
            f"{family.loader}, got {transformers.__version__}. Install it with: pip install "
            "--upgrade 'napari-intseg[automatic]'"
        )
    try:
        with _quiet():
            net, told = loader.from_pretrained(
                str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except (
        OSError, ValueError, RuntimeError, LookupError, TypeError, ImportError, SafetensorError,
    ) as err:  # fmt: skip
        reason = (str(err).strip().splitlines() or [type(err).__name__])[0].rstrip(".")
        raise WeightsError(
            f"folder cannot be read: expected a model of {family.title}, got {str(folder)!r} "
            f"({reason}). Fetch the whole repository again."
        ) from err
    missing = sorted(str(k) for k in told["missing_keys"])
    missing += sorted(str(k) for k in told.get("mismatched_keys", ()))
    if missing:
        raise WeightsError(
            f"weights do not fit their configuration: expected all parameters in {str(folder)!r}, "
            f"got {len(missing)} missing or of another shape ({', '.join(missing[:3])}). "
            "Fetch the whole repository again."
        )
    return net.eval().requires_grad_(False)


def read_tokenizer(folder: Path) -> Any:
    """Return what turns text into numbers for a folder's network.

    Raises
    ------
    WeightsError
        If the folder has none.
    """
    import transformers

    try:
        if not any((folder / name).is_file() for name in _TOKENIZER):
            raise OSError("no file of a tokenizer")  # the library would make an empty one
        return transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, LookupError, TypeError, ImportError) as err:
        raise WeightsError(
            f"folder has no tokenizer: expected tokenizer.json and its configuration in "
            f"{str(folder)!r}, got none that can be read. Fetch the whole repository."
        ) from err


def read_preparation(folder: Path) -> Mapping[str, Any]:
    """Return how images are prepared for a folder's network, as its files say.

    Raises
    ------
    WeightsError
        If no file says so.
    """
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            told = _read_json(folder / name)
            return dict(told.get("image_processor", told))
    raise WeightsError(
        f"folder does not say how to prepare images: expected preprocessor_config.json in "
        f"{str(folder)!r}, got none. Fetch the whole repository."
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Read without the library's own progress bar."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def read_config(folder: Path) -> Mapping[str, Any]:
    """Return what the ``config.json`` of a folder says.

    Raises
    ------
    WeightsError
        If there is none, or it cannot be read.
    """
    if not (folder / "config.json").is_file():
        raise WeightsError(
            f"weights are no folder of a model: expected one with config.json, got "
            f"{str(folder)!r}. Name a folder as the Hugging Face hub has them."
        )
    return _read_json(folder / "config.json")


def _check_folder(family: Family, folder: Path) -> None:
    kind = read_config(folder).get("model_type")
    if kind != family.model_type:
        known = next((f.name for f in FAMILIES.values() if f.model_type == kind), None)
        remedy = f"Choose {known!r}" if known else f"Choose one of {', '.join(FAMILIES)}"
        raise WeightsError(
            f"weights are of another family: expected {family.model_type!r}, got {kind!r} in "
            f"{str(folder)!r}. {remedy}, or another folder."
        )
    if not any(folder.glob("model*.safetensors")):
        raise WeightsError(
            f"folder has no safe weights: expected model.safetensors in {str(folder)!r}, got "
            "none. Pickled weights are not read; fetch the safetensors file."
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as err:
        raise WeightsError(
            f"file cannot be read: expected JSON, got {str(path)!r} ({err}). Fetch it again."
        ) from err
    return told if isinstance(told, dict) else {}

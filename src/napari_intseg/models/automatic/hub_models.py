"""Automatic models as the Hugging Face hub has them: their families, and reading their folders.

Nothing is fetched, and nothing heavy is imported before a folder is read. What a folder's files say
is not believed further than its weights go.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from napari_intseg.core.files import check_numbers, read_json
from napari_intseg.errors import MissingExtraError, UnknownModelError, WeightsError

Gives = Literal["instances", "clips", "detections", "classes", "texts", "objects", "boxes"]


@dataclass(frozen=True, slots=True)
class Family:
    """What is known of a family without loading it.

    Parameters
    ----------
    name : str
        What people type.
    title : str
        What people read.
    model_type : str
        What the ``config.json`` of its folders says.
    loader : str
        Class of `transformers` that reads such a folder.
    gives : {"instances", "clips", "detections", "classes", "texts", "objects", "boxes"}
        Objects apart that share the pixels, of an image or through the frames of a clip, or each
        with a mask of its own; one mask a class, one
        mask a text, a mask for each object that a text means, or boxes for a text, which a model
        that takes boxes turns to masks.
    threshold : float
        Objects below this score are left out; of "texts", pixels below this probability.
    licence : str
        Of the published weights; a folder of one's own may have another.
    paper : str
        An arXiv number.
    note : str
        A restriction worth telling before use.
    other_types : tuple of str
        What else the ``config.json`` may say.
    needs : str
        A package beside `transformers` that its network takes.
    tokens : int
        So many of each text, filled up; 0: as many as there are.
    """

    name: str
    title: str
    model_type: str
    loader: str
    gives: Gives
    threshold: float
    licence: str
    paper: str
    note: str = ""
    other_types: tuple[str, ...] = ()
    needs: str = ""
    tokens: int = 0

    @property
    def takes_text(self) -> bool:
        """Whether it must be told in words what to look for."""
        return self.gives in ("texts", "objects", "boxes")

    @property
    def types(self) -> tuple[str, ...]:
        """What the ``config.json`` of its folders may say."""
        return (self.model_type, *self.other_types)


# loader and output by the type in a ``config.json``, of folders that no entry below speaks of
_BY_TYPE: dict[str, tuple[str, Gives]] = {
    "beit": ("BeitForSemanticSegmentation", "classes"),
    "data2vec-vision": ("Data2VecVisionForSemanticSegmentation", "classes"),
    "dpt": ("DPTForSemanticSegmentation", "classes"),
    "mobilenet_v2": ("MobileNetV2ForSemanticSegmentation", "classes"),
    "mobilevit": ("MobileViTForSemanticSegmentation", "classes"),
    "mobilevitv2": ("MobileViTV2ForSemanticSegmentation", "classes"),
    "detr": ("DetrForSegmentation", "instances"),
    "eomt": ("EomtForUniversalSegmentation", "instances"),
    "eomt_dinov3": ("EomtDinov3ForUniversalSegmentation", "instances"),
    "oneformer": ("OneFormerForUniversalSegmentation", "instances"),
    # its weights have the names of the network for images, of which its decoder is a variant
    "video_mask2former": ("Mask2FormerForUniversalSegmentation", "clips"),
    "rf_detr": ("RfDetrForInstanceSegmentation", "detections"),
}

SQUARE = frozenset({"eomt", "eomt_dinov3", "rf_detr", "sam3_video"})
"""Types whose networks take images of one size alone, that of their configuration."""


def is_installed() -> bool:
    """Whether the package that reads all of them is there."""
    return find_spec("transformers") is not None


_FAMILIES = (
    Family("mask2former", "Mask2Former", "mask2former", "Mask2FormerForUniversalSegmentation",
           "instances", 0.5, "MIT", "arXiv:2112.01527"),
    Family("maskformer", "MaskFormer", "maskformer", "MaskFormerForInstanceSegmentation",
           "instances", 0.5, "CC-BY-NC-4.0", "arXiv:2107.06278", "not for commercial use"),
    Family("segformer", "SegFormer", "segformer", "SegformerForSemanticSegmentation", "classes",
           0.0, "NVIDIA Source Code License", "arXiv:2105.15203",
           "NVIDIA source licence: research and evaluation only"),
    Family("upernet", "UPerNet", "upernet", "UperNetForSemanticSegmentation", "classes", 0.0,
           "MIT", "arXiv:1807.10221"),
    Family("clipseg", "CLIPSeg (by text)", "clipseg", "CLIPSegForImageSegmentation", "texts", 0.4,
           "Apache-2.0", "arXiv:2112.10003"),
    Family("grounding-dino", "Grounding DINO (boxes by text, then SAM)", "grounding-dino",
           "GroundingDinoForObjectDetection", "boxes", 0.25, "Apache-2.0", "arXiv:2303.05499"),
    # the published folder is that of its network for videos, of which this is a part
    Family("sam3", "SAM 3 (by text)", "sam3_video", "Sam3Model", "objects", 0.5, "SAM License",
           "arXiv:2511.16719",
           "its page gives the files to who accepts the licence there, with a name and a login",
           ("sam3",), "torchvision", 32),
)  # fmt: skip

FAMILIES: dict[str, Family] = {family.name: family for family in _FAMILIES}
"""Every family by name. One that `transformers` reads the same way is one entry above."""


def find_family(name: str) -> Family:
    """Return a family by name.

    Raises
    ------
    UnknownModelError
        If there is none.
    """
    if name not in FAMILIES:
        raise UnknownModelError(
            f"automatic model is unknown: expected one of {', '.join(FAMILIES)}, got {name!r}. "
            "`napari-intseg models --automatic` tells more of each."
        )
    return FAMILIES[name]


def family_of_type(model_type: str, architectures: Sequence[str] = ()) -> Family:
    """Return the family of a folder by what its ``config.json`` says.

    Parameters
    ----------
    model_type : str
    architectures : sequence of str
        Classes of `transformers` that the weights are of; types that are not listed here are taken
        if one of these ends in "ForSemanticSegmentation".

    Raises
    ------
    UnknownModelError
        If nothing here reads its output.
    """
    others: tuple[str, ...] = ()
    if model_type == "mask2former" and any("Video" in str(name) for name in architectures):
        model_type, others = "video_mask2former", (model_type,)
    known = next((one for one in _FAMILIES if model_type in one.types), None)
    if known is not None:
        return known
    loader, gives = _BY_TYPE.get(model_type, ("", "classes"))
    ending = "ForSemanticSegmentation"
    loader = loader or next((str(a) for a in architectures if str(a).endswith(ending)), "")
    # the name comes from a file and is looked up in a package below
    if not loader.isidentifier():
        types = ", ".join(sorted({*_BY_TYPE, *(one.model_type for one in _FAMILIES)}))
        raise UnknownModelError(
            f"automatic model is unknown: expected one of {types}, or one for semantic "
            f"segmentation, got {model_type!r} for {', '.join(architectures) or 'nothing'}. Export "
            "it to ONNX and describe its output."
        )
    # of a semantic model each pixel has a class, so all of them count; objects need an even chance
    threshold = 0.0 if gives == "classes" else 0.5
    return Family(
        model_type, loader, model_type, loader, gives, threshold, "as its folder says", "",
        other_types=others,
    )  # fmt: skip


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
    if family.needs and find_spec(family.needs) is None:
        raise MissingExtraError(
            f"{family.title} needs a package that is not installed: expected {family.needs}. "
            f"Install it with: pip install {family.needs}"
        )
    # before transformers is imported, since a wrong folder is the usual mistake
    _check_folder(family, folder)
    import transformers

    loader = getattr(transformers, family.loader, None)
    if loader is None:
        raise MissingExtraError(
            f"{family.title} needs another version of a package: expected transformers with "
            f"{family.loader}, got {transformers.__version__}. Install it with: pip install "
            "--upgrade 'napari-intseg[automatic]'"
        )
    try:
        with _alone(), _no_larger_than(_most_values(folder)):
            net, told = loader.from_pretrained(
                str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True
            )
    except Exception as err:
        # the library has its own errors for each value that does not fit; all mean the same
        reason = (str(err).strip().splitlines() or [type(err).__name__])[0].rstrip(".")
        raise WeightsError(
            f"folder cannot be read: expected a model of {family.title}, got {str(folder)!r} "
            f"({reason}). Fetch the whole repository again."
        ) from err
    # transformers fills what is missing with random numbers and only logs it
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
            # the library would make an empty one
            raise OSError("no file of a tokenizer")
        if any(path.stat().st_size > _MOST_TOKENIZER_BYTES for path in folder.glob("*.json")):
            raise ValueError("a file is too large")
        # else the library asks at the console whether it may run code that lies in the folder
        with _alone():
            return transformers.AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
    except Exception as err:
        # as for networks
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
            about = told.get("image_processor", told)
            return about if isinstance(about, dict) else {}
    raise WeightsError(
        f"folder does not say how to prepare images: expected preprocessor_config.json in "
        f"{str(folder)!r}, got none. Fetch the whole repository."
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Read without the library's progress bar, its report, and its questions to the hub."""
    from huggingface_hub import constants
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    offline = constants.HF_HUB_OFFLINE
    logging.disable_progress_bar()
    # what does not fit is said once, by us, and not as a table of every parameter
    logging.set_verbosity(logging.CRITICAL)
    # a configuration can name another repository as its backbone, which would be asked for
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


# of tokenizers: the largest published ones have a quarter of it
_MOST_TOKENIZER_BYTES = 64 << 20
# what networks hold that no file does, such as tables of positions: of the published ones, SAM 3's
# are the largest with some millions of numbers
_SPARE_VALUES = 1 << 26
# the largest published segmentation networks have some 5,000
_MOST_PARTS = 20_000
# numbers that are no sizes, such as limits of a text or of a vocabulary
_SPARE_NUMBER = 1 << 20


def _most_values(folder: Path) -> int:
    """Return how many numbers the weights of a folder can be: a byte each at least.

    Raises
    ------
    ValueError
        If a number of its configuration is larger, which no size of its network can be.
    """
    held = sum(path.stat().st_size for path in folder.glob("model*.safetensors"))
    check_numbers(read_config(folder), max(held, _SPARE_NUMBER))
    return held + _SPARE_VALUES


@contextmanager
def _no_larger_than(most: int) -> Iterator[None]:
    """End the making of a network in this thread that has more numbers, or far too many parts.

    The library makes it without memory first, so that what is refused here has taken none.
    """
    from torch.nn.modules import module

    me, held, parts = threading.get_ident(), 0, 0

    def count(_: Any, name: str, made: Any) -> None:
        nonlocal held, parts
        if made is None or threading.get_ident() != me:
            return
        parts += 1
        # the same tensors come a second time when they are read, with memory
        if getattr(made, "is_meta", False):
            held += made.numel()
        if held > most or parts > _MOST_PARTS:
            raise ValueError(f"its configuration asks for more than its weights hold, at {name!r}")

    with ExitStack() as hooks:
        for register in (
            module.register_module_parameter_registration_hook,
            module.register_module_buffer_registration_hook,
            module.register_module_module_registration_hook,
        ):
            hooks.callback(register(count).remove)
        yield


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
    if kind not in family.types:
        known = next((f.name for f in FAMILIES.values() if kind in f.types), None)
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
    _check_leads(folder)


# of weights in several files, which of them holds a tensor; and weights that are added to others
_INDEX, _ADAPTER = "model.safetensors.index.json", "adapter_config.json"


def _check_leads(folder: Path) -> None:
    """Ask for a folder that names no files but its own: the library follows whatever it names."""
    leads: list[object] = []
    if (folder / _INDEX).is_file():
        told = _read_json(folder / _INDEX).get("weight_map")
        leads = list(told.values()) if isinstance(told, dict) else [told]
    names = {path.name for path in folder.glob("model*.safetensors")}
    elsewhere = [lead for lead in leads if str(lead) not in names]
    if elsewhere or (folder / _ADAPTER).exists():
        got = f"{elsewhere[0]!r} in {_INDEX}" if elsewhere else _ADAPTER
        raise WeightsError(
            f"folder leads elsewhere: expected all weights in {str(folder)!r}, got {got}. Fetch "
            "the whole repository again; merge an adapter into its network."
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        told = read_json(path)
    except (OSError, ValueError) as err:
        raise WeightsError(
            f"file cannot be read: expected JSON, got {str(path)!r} ({err}). Fetch it again."
        ) from err
    return told if isinstance(told, dict) else {}

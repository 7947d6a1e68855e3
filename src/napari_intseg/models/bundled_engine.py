"""Which engine computes the bundled network, and the one without PyTorch.

PyTorch where it is installed; else ONNX Runtime on a CPU, with the same weights.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.segmenter import Answer, FloatArray, Prepared, Query, Segmenter, Traits
from napari_intseg.errors import DeviceError, MissingExtraError, WeightsError
from napari_intseg.models.bundled_input import (
    CENTRE,
    TARGET_PX,
    answer_all,
    as_clicks,
    drawn_on,
    pack_clicks,
    previous_logits,
    read_traits,
    spread_narrow,
)
from napari_intseg.models.checkpoint import required
from napari_intseg.models.weights.store import ARCHITECTURE, bundled_folder, read_metadata

STRIDE = 32
"""Height and width of a view must be multiples of it: the encoder halves them five times."""

RADIUS_PX = 5
"""Clicks are disks of this radius, as in `nets.click_pyramid`."""

KEPT = tuple(f"kept{i}" for i in range(7))
"""What the encoder's graph gives, and the other takes: five maps, then two of unit vectors."""

CHANGED = KEPT[:5]
"""What the third graph takes and gives, changed by what is drawn on the view."""

# added to the variance; the value of PyTorch's batch normalisation, by which the weights were
# trained
_EPSILON = 1e-5
_NORM = ".norm.running_var"


def build(name: str, weights: Path | None, *, engine: str = "auto", **options: Any) -> Segmenter:
    """Return the bundled network, or one that was trained here, on the engine that is installed.

    Parameters
    ----------
    name : str
        The name it is registered under.
    weights : Path
        A safetensors file that `napari-intseg train` wrote.
    engine : {"auto", "torch", "onnx"}
        "auto" is PyTorch, and ONNX Runtime where PyTorch is not installed. Their masks differ in
        less than a pixel of a thousand.
    **options
        See `bundled.build`, `build_onnx`.

    Raises
    ------
    MissingExtraError
        If the engine is not installed.
    ValueError
        If there is no such engine.
    """
    if engine not in ("auto", "torch", "onnx"):
        raise ValueError(f"engine is unknown: expected auto, torch or onnx, got {engine!r}.")
    # only looked for: importing it is left to the engine that needs it
    has_torch = find_spec("torch") is not None
    # the graphs are of the click pyramid; other networks need PyTorch
    is_pyramid = weights is None or _architecture(weights) == ARCHITECTURE
    if engine == "onnx" or (engine == "auto" and not has_torch and is_pyramid):
        return build_onnx(name, weights, **options)
    if not has_torch:
        raise MissingExtraError(
            f"{name} needs a package that is not installed: expected torch. "
            "Install it with: pip install 'napari-intseg[torch]'"
        )
    from napari_intseg.models import bundled

    return bundled.build(name, weights, **options)


def _architecture(weights: Path) -> str:
    return read_metadata(weights).get("architecture", ARCHITECTURE)


def build_onnx(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: str = "auto",
    **changed: Any,
) -> "OnnxBundled":
    """Return the bundled network, or one that was trained from it, on a CPU.

    Parameters
    ----------
    name : str
        The name it is registered under.
    weights : Path
        A safetensors file that `napari-intseg train` wrote.
    device : {"auto", "cpu"}
        Others need PyTorch.
    precision : {"auto", "float32"}
        Others need PyTorch.
    **changed
        `zoom_in`, `flip` or `threshold` other than those the file was measured with.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or of another architecture.
    DeviceError
        If the device or precision needs PyTorch.
    MissingExtraError
        If ONNX Runtime is not installed.
    """
    path = required(weights, name)
    for what, given, possible in (
        ("device", device, ("auto", "cpu")),
        ("precision", precision, ("auto", "float32")),
    ):
        if given not in possible:
            raise DeviceError(
                f"{what} cannot be used: expected {' or '.join(possible)} with ONNX Runtime, got "
                f"{given!r}. For others install PyTorch: pip install 'napari-intseg[torch]'"
            )
    values = read_weights(path)
    others = any(map(_is_drawn, values))
    traits = replace(read_traits(name, read_metadata(path)), others=others, **changed)
    return OnnxBundled(traits, values)


def read_weights(path: Path) -> dict[str, FloatArray]:
    """Return the weights of a click pyramid by name, float32, normalisation folded in.

    Parameters
    ----------
    path : Path
        A safetensors file.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    told = read_metadata(path).get("architecture")
    try:
        found: dict[str, NDArray[Any]] = load_file(path)
    except (OSError, SafetensorError) as err:
        reason = str(err).strip().splitlines()[0]
        raise WeightsError(
            f"weights cannot be read: expected a safetensors file, got {str(path)!r} ({reason}). "
            "The file is damaged or none; fetch it again."
        ) from err
    if told != ARCHITECTURE:
        raise WeightsError(
            f"weights are of another network: expected architecture {ARCHITECTURE}, got {told!r} "
            f"in {str(path)!r}. It needs PyTorch: pip install 'napari-intseg[torch]'"
        )
    try:
        return folded({name: np.asarray(value, np.float32) for name, value in found.items()})
    except (KeyError, ValueError, IndexError) as err:
        raise _foreign(path.name) from err


def _foreign(name: str) -> WeightsError:
    return WeightsError(
        f"weights are of another model: expected the parameters of a click pyramid, got others for "
        f"{name!r}. Choose a file that `napari-intseg train` wrote."
    )


def folded(values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return weights with each batch normalisation put into the convolution before it.

    Parameters
    ----------
    values : mapping of str to ndarray of float32
        ``X.conv.weight`` with ``X.norm.weight``, ``.bias``, ``.running_mean``, ``.running_var``.
    """
    made = {name: value for name, value in values.items() if ".norm." not in name}
    for name in values:
        if name.endswith(_NORM):
            of = name.removesuffix(_NORM)
            scale = values[f"{of}.norm.weight"] / np.sqrt(values[name] + np.float32(_EPSILON))
            made[f"{of}.conv.weight"] = values[f"{of}.conv.weight"] * scale[:, None, None, None]
            made[f"{of}.conv.bias"] = (
                values[f"{of}.norm.bias"] - values[f"{of}.norm.running_mean"] * scale
            )
    return made


class OnnxBundled:
    """A click pyramid as a `Segmenter`, in float32 on a CPU.

    The graphs in the folder of the weights hold no numbers; every weights file of this
    architecture runs in them.

    Parameters
    ----------
    traits : Traits
        Name and settings.
    weights : mapping of str to ndarray of float32
        As `read_weights` returns them.

    Raises
    ------
    WeightsError
        If weights are missing, unknown, or of other shapes.
    MissingExtraError
        If ONNX Runtime is not installed.
    """

    def __init__(self, traits: Traits, weights: Mapping[str, FloatArray]) -> None:
        self.traits = traits
        encoder = {name: value for name, value in weights.items() if _encodes(name)}
        drawn = {name: value for name, value in weights.items() if _is_drawn(name)}
        rest = {n: value for n, value in weights.items() if n not in encoder and n not in drawn}
        try:
            self._encode = _session("click-pyramid-1.encode.onnx", encoder)
            self._answer = _session("click-pyramid-1.answer.onnx", rest)
            # files from before it have none, and see nothing of what is drawn
            self._prompt = _session("click-pyramid-1.prompt.onnx", drawn) if drawn else None
        except (MissingExtraError, WeightsError):
            raise
        except Exception as err:
            # ONNX Runtime has an error of its own for each way not to fit
            raise _foreign(traits.name) from err

    def prepare(self, image: FloatArray) -> Prepared:
        """Encode a view, ndarray of float32, shape (H, W, 3), RGB in [0, 1]."""
        values = spread_narrow(image).transpose(2, 0, 1)[None]
        # grey, as `bundled.prepare` pads
        given = {"image": _padded(values, np.float32(0.5))}
        kept: list[FloatArray] = self._encode.run(list(KEPT), given)
        nbytes = sum(one.nbytes for one in kept)
        return Prepared((image.shape[0], image.shape[1]), kept, nbytes)

    def predict(self, query: Query) -> Answer:
        """Answer one query."""
        return self.predict_batch([query])[0]

    def predict_batch(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer queries on images of one size, in the order asked."""
        return answer_all(queries, self._answered)

    def _answered(self, queries: Sequence[Query]) -> list[Answer]:
        h, w = queries[0].prepared.shape
        clicks = pack_clicks([as_clicks(query) for query in queries])
        prev = _padded(_probability(np.stack([previous_logits(q) for q in queries])), np.float32(0))
        parts = zip(*(query.prepared.payload for query in queries), strict=True)
        kept = dict(zip(KEPT, map(np.concatenate, parts), strict=True))
        if self._prompt is not None and (drawn := drawn_on(queries)) is not None:
            maps = {name: kept[name] for name in CHANGED}
            shown = _padded(drawn, np.float32(0))
            changed = self._prompt.run([f"{n}.prompted" for n in CHANGED], {**maps, "drawn": shown})
            kept |= zip(CHANGED, changed, strict=True)
        given = {
            **kept,
            "clicks": clicks, "disks": draw_disks(clicks, prev.shape[2:]), "prev": prev,
        }  # fmt: skip
        (logits,) = self._answer.run(["logits"], given)
        return [Answer(np.ascontiguousarray(one[0, :h, :w])) for one in logits]

    def warm_up(self, shape: tuple[int, int] = (TARGET_PX, TARGET_PX)) -> None:
        """Answer once on an empty image, in the thread that will predict."""
        self.predict(Query(self.prepare(np.zeros((*shape, 3), np.float32)), CENTRE))


def draw_disks(clicks: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return maps (B, 2, H, W) of clicks (B, N, 3): disks on the object, disks off it.

    As `nets.click_pyramid.draw_disks`, whose rounding it shares: halves go to the even pixel.
    """
    maps = np.zeros((len(clicks), 2, *shape), np.float32)
    rows, cols = (np.arange(size)[s] for size, s in zip(shape, np.s_[:, None], strict=True))
    for own, given in zip(maps, clicks, strict=True):
        for row, col, sign in given:
            if sign != 0:
                away = (rows - np.rint(row))[:, None] ** 2 + (cols - np.rint(col)) ** 2
                own[0 if sign > 0 else 1][away <= RADIUS_PX**2] = 1
    return maps


def _is_drawn(name: str) -> bool:
    """Whether a weight belongs to `nets.click_pyramid.DrawnPrompt`."""
    return name.startswith("drawn.")


def _encodes(name: str) -> bool:
    """Whether a weight belongs to what knows nothing of clicks."""
    return name.startswith(("encoder.", "lateral.")) or ".embed." in name


def _session(file: str, weights: Mapping[str, FloatArray]) -> Any:
    """Return a graph of this package with weights in it."""
    try:
        import onnxruntime
    except ImportError as err:
        raise MissingExtraError(
            "the bundled network needs an engine that is not installed: expected onnxruntime or "
            "torch. Install one with: pip install onnxruntime"
        ) from err
    options = onnxruntime.SessionOptions()
    # 0 means all cores; the variable that limits PyTorch's threads limits these as well
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    # threads that spin while they wait take the processor from the window
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    names = list(weights)
    values = [
        onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(weights[name]))
        for name in names
    ]
    options.add_external_initializers(names, values)
    folder = bundled_folder()
    if folder is None:
        raise WeightsError(
            f"the network's graph is missing: expected {file!r} in the package. Install it again."
        )
    path = str(folder / file)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _padded(values: FloatArray, fill: np.float32) -> FloatArray:
    """Return (B, C, H, W) whose height and width are multiples of the stride."""
    h, w = values.shape[2:]
    margins = ((0, 0), (0, 0), (0, -h % STRIDE), (0, -w % STRIDE))
    padded = np.pad(values, margins, constant_values=fill)
    return np.ascontiguousarray(padded, np.float32)


def _probability(logits: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        # of -inf: no answer before
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)

"""Networks that were exported to ONNX, described in a small file or by the BioImage Model Zoo.

Of a package of the zoo, its ``rdf.yaml`` is read; nothing that lies in it is run.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from napari_intseg.core.files import check_values, named_once, read_text
from napari_intseg.core.segmenter import Array, FloatArray, Segmenter
from napari_intseg.errors import DeviceError, MissingExtraError, WeightsError
from napari_intseg.models.automatic.exported_files import (
    EXAMPLE,
    MOST_SIDE,
    RDF_NAMES,
    Description,
    InputRules,
    check_onnx,
    description_beside,
    read_description,
)
from napari_intseg.models.automatic.outputs import ORDER, READERS, Frame, Outputs
from napari_intseg.models.automatic.start_model import (
    Finding,
    RawFinding,
    StartTraits,
    check_no_texts,
)

# types of an input that an image can be cast to
_TYPES = {
    "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}  # fmt: skip


class ExportedModel:
    """A network that onnxruntime runs; made by `load_exported`.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    told : Description
    path : Path
        For messages.
    """

    def __init__(self, session: Any, told: Description, path: Path) -> None:
        self._session = session
        self._told = told
        self._path = path
        self._input = _input_of(session, told, path)
        self._size = _fixed_size(self._input.shape, told.input)
        if max(self._size or (0,)) > MOST_SIDE:
            raise WeightsError(
                f"network takes something else: expected images of at most {MOST_SIDE} pixels a "
                f"side, got {self._size} in {str(path)!r}. Export it for smaller ones."
            )
        self._outputs = _output_names(session, told)

    @property
    def traits(self) -> StartTraits:
        """What its description says."""
        told = self._told
        apart = told.kind != "classes" or bool(told.parameters.get("apart", False))
        return StartTraits(told.title or self._path.stem, told.licence, told.note, apart)

    def find(
        self,
        image: FloatArray,
        texts: Sequence[str] = (),
        *,
        threshold: float | None = None,
        masks_by: Segmenter | None = None,  # noqa: ARG002
    ) -> tuple[Finding, ...]:
        """Return what is in an image, the surest first.

        Parameters
        ----------
        image : ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].
        texts : sequence of str
            Must be empty: it takes none.
        threshold : float, optional
            Another than the description's.
        masks_by : Segmenter, optional
            Not used.

        Raises
        ------
        PromptError
            If there are texts.
        WeightsError
            If the network does not do what its description says.
        """
        check_no_texts(self.traits.title, texts)
        tensor, size = _tensor(image, self._told.input, self._size)
        sides = tensor.shape[2:] if self._told.input.layout == "NCHW" else tensor.shape[1:3]
        frame = Frame((image.shape[0], image.shape[1]), size, tuple(sides))
        answers = self._run(tensor)
        found = READERS[self._told.kind](Outputs(answers, self._told, frame, threshold))
        ordered = sorted(found, key=lambda one: -one.score)
        return tuple(self._named(one, frame) for one in ordered if self._counts(one))

    def release(self) -> None:
        """Return the device's memory."""
        self._session = None

    def _run(self, tensor: Array) -> dict[str, Array]:
        given = tensor.astype(_TYPES.get(self._input.type, np.float32))
        try:
            raw = self._session.run(list(self._outputs.values()), {self._input.name: given})
        except Exception as err:
            # onnxruntime's errors have no common base
            raise WeightsError(
                f"network does not run: expected it to take {given.dtype} of shape {given.shape}, "
                f"got {_first_line(err)!r} of {str(self._path)!r}. Correct the description."
            ) from err
        named = zip(self._outputs, raw, strict=True)
        return {name: self._without_batch(name, np.asarray(array)) for name, array in named}

    def _without_batch(self, name: str, array: Array) -> Array:
        # detectors mostly leave the batch out; what looks like one may be their only object
        is_detector = self._told.kind == "instances"
        told = bool(self._told.parameters.get("batch", not is_detector))
        drop = (told and array.ndim > 1 + (not is_detector)) or (
            name in ("prototypes", "embedding") and array.ndim > 3
        )
        return np.asarray(array[0]) if drop and array.shape[0] == 1 else array

    def _counts(self, one: RawFinding) -> bool:
        return (
            one.mask is not None and bool(one.mask.any()) and self._name(one.kind) != "background"
        )

    def _name(self, kind: int) -> str:
        names = self._told.names
        return names[kind] if kind < len(names) else str(kind) if names or kind else "object"

    def _named(self, one: RawFinding, frame: Frame) -> Finding:
        assert one.mask is not None
        return Finding(frame.labels_back(one.mask), self._name(one.kind), one.score)


def load_exported(
    path: str | Path, *, device: str = "auto", told: Description | None = None
) -> ExportedModel:
    """Load a network from an ONNX file.

    Parameters
    ----------
    path : path
        The file; ``NAME.toml`` or ``NAME.json`` beside it describes it.
    device : str, default "auto"
        "cpu", "cuda", or "auto": CUDA where onnxruntime has it.
    told : Description, optional
        Instead of the file beside it.

    Raises
    ------
    MissingExtraError
        If onnxruntime is not installed.
    WeightsError
        If the file is missing, damaged, leads to other files, or is not described.
    DeviceError
        If onnxruntime does not have the device.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise WeightsError(
            f"network is missing: expected an ONNX file, got {str(path)!r}. Check the path."
        )
    if told is None:
        beside = description_beside(path)
        if beside is None:
            raise WeightsError(
                f"network is not described: expected {path.with_suffix('.toml').name!r} beside "
                f"{str(path)!r}, got none. Write one, for example {EXAMPLE!r}."
            )
        told = read_description(beside)
    # before onnxruntime opens it, which would follow names of other files
    check_onnx(path)
    try:
        import onnxruntime
    except ImportError as err:
        raise MissingExtraError(
            "an exported network needs a package that is not installed: expected onnxruntime. "
            "Install it with: pip install 'napari-intseg[onnx]'"
        ) from err
    options = onnxruntime.SessionOptions()
    # errors alone: warnings of exporters help no one here
    options.log_severity_level = 3
    # as many threads as the rest of the package was told to take
    options.intra_op_num_threads = torch.get_num_threads()
    providers = _providers(onnxruntime, device)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as err:
        # onnxruntime's errors have no common base
        raise WeightsError(
            f"network cannot be read: expected an ONNX file, got {str(path)!r} "
            f"({_first_line(err)}). Export it again."
        ) from err
    return ExportedModel(session, told, path)


def _providers(onnxruntime: Any, device: str) -> list[str]:
    there = onnxruntime.get_available_providers()
    cuda = "CUDAExecutionProvider"
    if device not in ("auto", "cpu") and not (device.startswith("cuda") and cuda in there):
        raise DeviceError(
            f"device cannot be used: expected auto or cpu{', cuda' if cuda in there else ''}, got "
            f"{device!r}. For CUDA install onnxruntime-gpu instead of onnxruntime."
        )
    return (
        [cuda, "CPUExecutionProvider"]
        if device != "cpu" and cuda in there
        else ["CPUExecutionProvider"]
    )


def _input_of(session: Any, told: Description, path: Path) -> Any:
    inputs = session.get_inputs()
    name = told.input.name or inputs[0].name
    found = next((one for one in inputs if one.name == name), None)
    if found is None or len(inputs) != 1 or len(found.shape) != 4:
        shapes = ", ".join(f"{one.name} {one.shape}" for one in inputs)
        raise WeightsError(
            f"network takes something else: expected one input of 4 axes"
            f"{f' called {name!r}' if told.input.name else ''}, got {shapes} in {str(path)!r}. "
            "Export it with an image as its only input."
        )
    return found


def _fixed_size(shape: Sequence[Any], rules: InputRules) -> tuple[int, int] | None:
    """Return height and width that the file or the description asks for."""
    sides = shape[2:4] if rules.layout == "NCHW" else shape[1:3]
    if all(isinstance(n, int) and n > 0 for n in sides):
        return int(sides[0]), int(sides[1])
    return rules.size


def _output_names(session: Any, told: Description) -> dict[str, str]:
    """Return the name in the file of each output of the kind."""
    there = [one.name for one in session.get_outputs()]
    if told.outputs:
        lacking = [name for name in told.outputs.values() if name not in there]
        if lacking:
            raise WeightsError(
                f"network lacks an output: expected {lacking[0]!r}, got {', '.join(there)}. "
                "Correct [output] outputs of the description."
            )
        return dict(told.outputs)
    if all(name in there for name in ORDER[told.kind]):
        return {name: name for name in ORDER[told.kind]}
    return dict(zip(ORDER[told.kind], there, strict=False))


def _tensor(
    image: FloatArray, rules: InputRules, size: tuple[int, int] | None
) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """Return the input, a batch of one, and height and width that the image has in it."""
    values: Array = np.asarray(image, np.float32)
    size = size or (values.shape[0], values.shape[1])
    if values.shape[:2] != size:
        values = np.stack([_resized(values[..., i], size) for i in range(3)], axis=-1)
    if rules.channels == 1:
        values = values.mean(axis=-1, keepdims=True)
    if rules.normalise == "percentile":
        low, high = np.percentile(values, rules.percentiles)
        # of a constant image both are 0
        values = (values - low) / max(float(high - low), 1e-6)
    elif rules.normalise == "zero-mean":
        values = (values - values.mean()) / max(float(values.std()), 1e-6)
    values = values * (rules.range[1] - rules.range[0]) + rules.range[0]
    mean = np.array(rules.mean or (0.0,), np.float32)
    values = (values - mean) / np.array(rules.std or (1.0,), np.float32)
    pad = [(0, -n % rules.multiple) for n in size]
    values = np.pad(values, (*pad, (0, 0)))
    if rules.layout == "NCHW":
        values = np.moveaxis(values, -1, 0)
    return np.ascontiguousarray(values[None], np.float32), size


def _resized(channel: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    picture = Image.fromarray(channel, "F")
    return np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR), np.float32)


def _first_line(err: Exception) -> str:
    return (str(err).strip().splitlines() or [type(err).__name__])[0].rstrip(".")[:200]


# descriptions of the zoo have a few kilobytes; a larger file is none, or hostile
_MOST_RDF_BYTES = 1 << 20


def find_rdf(place: Path) -> Path | None:
    """Return the description of a package: the file itself, or that in a folder."""
    if place.is_file() and place.name.endswith((".yaml", ".yml")):
        return place
    return next((place / name for name in RDF_NAMES if (place / name).is_file()), None)


def load_bioimage(place: str | Path, *, device: str = "auto") -> ExportedModel:
    """Load a model of the BioImage Model Zoo from its unpacked package.

    A two-dimensional network with ONNX weights and one image as input. Of its outputs the first is
    read: a map of objects and, if it has more, one of the edges between them.

    Parameters
    ----------
    place : path
        The folder, or the ``rdf.yaml`` in it; formats 0.4 and 0.5.
    device : str, default "auto"
        As of `load_exported`.

    Raises
    ------
    MissingExtraError
        If PyYAML or onnxruntime is not installed.
    WeightsError
        If the package has no ONNX weights, or asks for what cannot be done.
    """
    place = Path(place).expanduser()
    rdf = find_rdf(place)
    if rdf is None:
        raise WeightsError(
            f"package has no description: expected one of {', '.join(RDF_NAMES)}, got "
            f"{str(place)!r}. Unpack the whole package."
        )
    told = _read(rdf)
    try:
        source = _onnx_of(told, rdf)
        description = _description(told)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as err:
        raise WeightsError(
            f"description is not understood: expected a model of format 0.4 or 0.5, got "
            f"{str(rdf)!r} ({type(err).__name__}: {err}). Describe it in TOML beside its ONNX file."
        ) from err
    return load_exported(source, device=device, told=description)


def _read(rdf: Path) -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError as err:
        raise MissingExtraError(
            "models of the BioImage Model Zoo need a package that is not installed: expected "
            "pyyaml. Install it with: pip install 'napari-intseg[onnx]'"
        ) from err
    try:
        text = read_text(rdf, _MOST_RDF_BYTES)
        told = yaml.load(text, _loader(yaml.SafeLoader))
        check_values(told, len(text))
        if not isinstance(told, dict):
            raise TypeError("no table")
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as err:
        raise WeightsError(
            f"description cannot be read: expected YAML, got {str(rdf)!r} "
            f"({str(err).splitlines()[0]}). Unpack the package again."
        ) from err
    return told


def _loader(safe: Any) -> Any:
    """Return YAML's safe loader, which makes plain values alone, with each name taken once."""

    class _NamedOnce(safe):  # type: ignore[misc, unused-ignore]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            # "<<" stands for what another mapping says, which the one that follows may replace
            own = [pair for pair in node.value if pair[0].value != "<<"]
            named_once([(str(key.value), None) for key, _ in own])
            made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
            return made

    return _NamedOnce


def _onnx_of(told: Mapping[str, Any], rdf: Path) -> Path:
    weights = told["weights"]
    if "onnx" not in weights:
        raise WeightsError(
            f"package has no weights that are safe to load: expected onnx, got "
            f"{', '.join(weights) or 'none'} in {str(rdf)!r}. Files of TorchScript, Keras and "
            "pickled PyTorch may run code; convert them with bioimageio.core."
        )
    name = str(weights["onnx"]["source"]).removeprefix("./")
    path = rdf.parent / name
    # a package from elsewhere must not read files of this machine
    if "/" in name or "\\" in name or path.is_symlink():
        raise WeightsError(
            f"package leads elsewhere: expected the name of a file beside {rdf.name!r}, got "
            f"{name!r}. Unpack the whole package."
        )
    return path


def _description(told: Mapping[str, Any]) -> Description:
    inputs, outputs = told["inputs"], told["outputs"]
    if len(inputs) != 1:
        raise ValueError(f"{len(inputs)} inputs")
    axes = _axes(inputs[0]["axes"])
    names = [axis for axis, _ in axes]
    if "z" in names or names[:1] != ["b"]:
        raise ValueError(f"axes {','.join(names)} are not those of a batch of images")
    layout = "NCHW" if names.index("c") == 1 else "NHWC"
    channels = next(size for axis, size in axes if axis == "c")
    kind, parameters = _kind(outputs[0])
    rules = InputRules(
        channels=int(channels or 3), layout=layout, multiple=_multiple(inputs[0], axes),
        **_steps(inputs[0].get("preprocessing", ())),
    )  # fmt: skip
    licence = str(told.get("license", ""))
    return Description(
        kind, str(told.get("name", "")), licence, input=rules, parameters=parameters,
        outputs={}, layout="NCHW" if _axes(outputs[0]["axes"])[1][0] == "c" else "NHWC",
    )  # fmt: skip


def _axes(told: Any) -> list[tuple[str, int | None]]:
    """Return names and sizes of axes: a word in 0.4, a list of tables in 0.5."""
    if isinstance(told, str):
        return [(letter, None) for letter in told]
    short = {"batch": "b", "channel": "c"}
    out: list[tuple[str, int | None]] = []
    for axis in told:
        name = short.get(axis["type"], str(axis.get("id", axis["type"])))
        size = len(axis["channel_names"]) if "channel_names" in axis else axis.get("size")
        out.append((name, size if isinstance(size, int) else None))
    return out


def _multiple(told: Mapping[str, Any], axes: list[tuple[str, int | None]]) -> int:
    """Return what sides must be a multiple of: the step of the sizes it takes."""
    if isinstance(told["axes"], str):
        shape = told.get("shape", {})
        steps = list(shape["step"]) if isinstance(shape, dict) else []
        pairs = zip(told["axes"], steps, strict=False)
        return max([1, *(int(step) for axis, step in pairs if axis in "yx")])
    sizes = [axis.get("size") for axis in told["axes"] if axis["type"] == "space"]
    assert axes
    return max([1, *(int(s["step"]) for s in sizes if isinstance(s, dict) and "step" in s)])


def _steps(given: Any) -> dict[str, Any]:
    """Return `InputRules` of the preprocessing; types and copies change nothing here.

    Raises
    ------
    ValueError
        If a step cannot be done.
    """
    out: dict[str, Any] = {}
    for step in given:
        name, how = str(step.get("id", step.get("name"))), dict(step.get("kwargs", {}))
        if name in ("ensure_dtype",):
            continue
        if name == "zero_mean_unit_variance":
            out["normalise"] = "zero-mean"
        elif name == "scale_range":
            low, high = how.get("min_percentile", 0.0), how.get("max_percentile", 100.0)
            out |= {"normalise": "percentile", "percentiles": (float(low), float(high))}
        elif name == "scale_linear":
            gain, offset = _scalar(how.get("gain", 1.0)), _scalar(how.get("offset", 0.0))
            # images come in [0, 1]; a gain for bytes is taken for what it is
            bytes_in = 255.0 if gain < 0.1 else 1.0
            out["range"] = (offset, gain * bytes_in + offset)
        elif name == "fixed_zero_mean_unit_variance":
            mean, std = (
                how[key] if isinstance(how[key], list) else [how[key]] for key in ("mean", "std")
            )
            out |= {"mean": tuple(map(float, mean)), "std": tuple(map(float, std))}
        else:
            raise ValueError(f"preprocessing {name!r} cannot be done")
    return out


def _scalar(value: Any) -> float:
    return float(value[0] if isinstance(value, list) else value)


def _kind(output: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return how the first output is read: as a map of objects and one of edges."""
    names = [step.get("id", step.get("name")) for step in output.get("postprocessing", ())]
    wrong = [name for name in names if name not in ("sigmoid", "softmax", "ensure_dtype")]
    if wrong:
        raise ValueError(f"postprocessing {wrong[0]!r} cannot be done")
    activation = "sigmoid" if "sigmoid" in names else "softmax" if "softmax" in names else "none"
    return "foreground", {"activation": activation}

"""Models of the BioImage Model Zoo: ``rdf.yaml`` with ONNX weights; nothing of a package is run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_intseg.errors import MissingExtraError, WeightsError
from napari_intseg.models.automatic.description import RDF_NAMES, Description, InputRules
from napari_intseg.models.automatic.exported import ExportedModel, load_exported

_MOST_BYTES = 1 << 20


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
        if rdf.stat().st_size > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES} bytes")
        told = yaml.safe_load(rdf.read_text("utf-8"))
        if not isinstance(told, dict):
            raise TypeError("no table")
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as err:
        raise WeightsError(
            f"description cannot be read: expected YAML, got {str(rdf)!r} "
            f"({str(err).splitlines()[0]}). Unpack the package again."
        ) from err
    return told


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

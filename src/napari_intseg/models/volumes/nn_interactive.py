"""nnInteractive through its authors' packages: in this process, or on a server.

Weights are CC BY-NC-SA 4.0; the packages are Apache-2.0. Proved with small networks that the
package builds itself; unproven with the published weights.

References
----------
.. [1] Isensee, F. et al. "nnInteractive: redefining 3D promptable segmentation", arXiv:2503.08373.
"""

import contextlib
import io
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from skimage.draw import line_nd, polygon

from napari_intseg.core.files import check_numbers, read_json
from napari_intseg.core.prompts import PromptKind
from napari_intseg.core.segmenter import (
    LOGIT_LIMIT,
    Answer,
    FloatArray,
    Prepared,
    Query,
    Traits,
    mask_to_logits,
)
from napari_intseg.core.volume import Plane
from napari_intseg.core.volume_segmenter import (
    Block,
    PreparedVolume,
    VolumeBox,
    VolumeChange,
    VolumeClick,
    VolumeLasso,
    VolumeMask,
    VolumePrompt,
    VolumeQuery,
    VolumeScribble,
    VolumeSource,
    box_of,
    union_of,
)
from napari_intseg.core.workers import is_loopback
from napari_intseg.errors import DataError, MissingExtraError, RemoteError, WeightsError
from napari_intseg.models.checkpoint import DamagedError, UnsafeError, check_pickles
from napari_intseg.models.device import choose_device

PROMPTS: frozenset[PromptKind] = frozenset({"click", "box", "scribble", "lasso", "mask"})

MOST_VOXELS = 1 << 30
"""A larger volume is refused: image and interactions of one this large take about 20 GiB."""

SERVER_VARIABLE = "NNINTERACTIVE_SERVER"
"""Environment variable with the address of a server, where none is given."""

_EXTRA = "nnInteractive's packages are not installed: expected {needed}, got none. Install them "
_EXTRA += "with: pip install 'napari-intseg[nninteractive]'"

# what numpy's own pickles refer to, for the losses that nnU-Net's checkpoints log; these make plain
# numbers
_NUMBERS = (
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    "numpy.dtype",
)  # fmt: skip

# numbers in descriptions that are no sizes, such as those of images that a network was trained on
_SPARE_NUMBER = 1 << 20

# of what plans may name
_PACKAGES = ("torch.nn.", "dynamic_network_architectures.", "nnunetv2.", "nnInteractive.")

Seen = tuple[PreparedVolume, VolumeMask | None, tuple[VolumePrompt, ...]]


class InferenceSession(Protocol):
    """What the packages' sessions can do, as far as it is used here; axes are those of the data."""

    target_buffer: Any

    def set_image(self, image: FloatArray) -> None:
        """Take an image of shape (1, D, H, W)."""

    def set_target_buffer(self, target_buffer: NDArray[np.uint8]) -> None:
        """Write answers here, shape (D, H, W)."""

    def reset_interactions(self) -> None:
        """Forget prompts and answer."""

    def undo(self) -> bool:
        """Take the last prompt back; False if that is not possible."""

    def add_point_interaction(
        self, coordinates: tuple[int, ...], include_interaction: bool, run_prediction: bool = True
    ) -> Any:
        """Add a point."""

    def add_bbox_interaction(
        self, bbox_coords: Any, include_interaction: bool, run_prediction: bool = True
    ) -> Any:
        """Add a box, half-open in each axis."""

    def add_scribble_interaction(
        self,
        scribble_image: NDArray[np.uint8],
        include_interaction: bool,
        run_prediction: bool = True,
        *,
        interaction_bbox: Any = None,
    ) -> Any:
        """Add a drawn line."""

    def add_lasso_interaction(
        self,
        lasso_image: NDArray[np.uint8],
        include_interaction: bool,
        run_prediction: bool = True,
        *,
        interaction_bbox: Any = None,
    ) -> Any:
        """Add an area that was drawn round."""

    def add_initial_seg_interaction(
        self, initial_seg: NDArray[np.uint8], run_prediction: bool = False
    ) -> Any:
        """Start from a mask; this resets the prompts."""


def build(
    name: str,
    weights: Path | None,
    *,
    device: str = "auto",
    precision: str = "auto",
    autozoom: bool = True,
) -> "NnInteractive":
    """Return the model in this process.

    Parameters
    ----------
    name : str
        The name it is registered under.
    weights : Path
        ``checkpoint_final.pth`` in ``fold_*`` of a model folder, with ``plans.json``,
        ``dataset.json`` and ``inference_info.json`` in the folder itself.
    device : str, default "auto"
        See `choose_device`. The authors call it unusable without a GPU.
    precision : str
        Not used: the package chooses it.
    autozoom : bool, default True
        Whether it looks at objects larger than its patch from farther away.

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    WeightsError
        If the checkpoint is missing, not safe to load, or not one of nnInteractive.
    """
    # every builder of a model is called with it; the package chooses its own
    del precision
    if weights is None:
        raise WeightsError(
            f"weights are missing: expected the checkpoint of a model folder, got none for "
            f"{name!r}. Fetch them with `napari-intseg weights fetch {name}`."
        )
    _check_safe(weights)
    package = _package("nnInteractive.inference.inference_session", "nninteractive")
    torch = import_module("torch")
    threads = torch.get_num_threads()
    fold = weights.parent.name.removeprefix("fold_")
    with _quiet():
        session = package.nnInteractiveInferenceSession(
            device=torch.device(choose_device(device)),
            torch_n_threads=threads,
            do_autozoom=autozoom,
        )
        try:
            session.initialize_from_trained_model_folder(
                str(weights.parent.parent), fold, weights.name
            )
        except (OSError, KeyError, RuntimeError, ValueError, AssertionError) as err:
            raise WeightsError(
                f"model folder cannot be used: expected one of nnInteractive, got "
                f"{str(weights.parent.parent)!r} ({type(err).__name__}: {err}). Fetch it again."
            ) from err
    # the package sets the number of threads of the whole process; other models here keep theirs
    torch.set_num_threads(threads)
    return NnInteractive(Traits(name, PROMPTS, uses_prev=True), session)


def build_client(
    name: str,
    weights: Path | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    server: str | None = None,
    insecure: bool = False,
) -> "NnInteractive":
    """Return the model of a server that was started by ``nninteractive-server``.

    Parameters
    ----------
    name : str
        The name it is registered under.
    weights, device, precision
        Not used: the server was started with its own.
    server : str, optional
        ``https://HOST:PORT``, or ``http://127.0.0.1:PORT`` on this machine; by default that in the
        environment variable `SERVER_VARIABLE`. A key is read from ``NN_INTERACTIVE_API_KEY``.
    insecure : bool, default False
        Whether images may go to another machine unencrypted.

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    RemoteError
        If there is no address, it is not safe, or nobody answers there.
    """
    del weights, device, precision
    address = server or os.environ.get(SERVER_VARIABLE, "")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RemoteError(
            f"server is not known: expected https://HOST:PORT or http://127.0.0.1:PORT, got "
            f"{address!r}. Give server=, or set {SERVER_VARIABLE}."
        )
    # images would go there unencrypted, and the key with them
    if parts.scheme == "http" and not insecure and not is_loopback(parts.hostname):
        raise RemoteError(
            f"server is not safe: expected https://, or http:// on this machine, got {address!r}. "
            "Use an SSH tunnel; insecure=True allows it."
        )
    package = _package("nnInteractive.inference.remote.remote_session", "nninteractive-client")
    try:
        session = package.nnInteractiveRemoteInferenceSession(address)
    except Exception as err:
        # the package's and its HTTP library's errors share no base
        raise RemoteError(
            f"server does not answer: expected nninteractive-server at {address!r}, got "
            f"{type(err).__name__}: {err}. Start it there, or correct the address."
        ) from err
    return NnInteractive(Traits(name, PROMPTS, uses_prev=True), session)


def fetch(folder: Path, model_id: str) -> Path:
    """Download a model by its id, by the authors' code; return the folder it lies in.

    Parameters
    ----------
    folder : Path
        It comes into ``models/ID`` of this folder.
    model_id : str
        As the authors name it, e.g. ``"nnInteractive_v1.0"``.

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    WeightsError
        If it does not come.
    """
    package = _package("nnInteractive.model_management", "nninteractive")
    try:
        with _quiet():
            return Path(package.ensure_model_available(model_id, folder))
    except (RuntimeError, ValueError, OSError) as err:
        raise WeightsError(
            f"weights cannot be fetched: expected model {model_id!r} of the authors, got "
            f"{type(err).__name__}: {err}. Try again later."
        ) from err


class NnInteractive:
    """A session of the authors' packages as a model that remembers nothing between two questions.

    Their session keeps prompts and answer. Where a question goes on from the last one, the new
    prompts are added; where the last prompt was taken back, their undo is used; otherwise the
    session is reset and all prompts are given again, in order.

    Parameters
    ----------
    traits : Traits
        Name and prompts.
    session : InferenceSession
        In this process or on a server.
    """

    def __init__(self, traits: Traits, session: InferenceSession) -> None:
        self._traits, self._session = traits, session
        self._image: PreparedVolume | None = None
        self._seen: Seen | None = None
        # what the session writes its answers into; a new one for each image
        self._target = np.zeros((0, 0, 0), np.uint8)
        self._can_undo = False

    @property
    def traits(self) -> Traits:
        """Name and prompts."""
        return self._traits

    @property
    def answers_planes(self) -> bool:
        """Planes are not answered first."""
        return False

    def prepare_volume(self, source: VolumeSource) -> PreparedVolume:
        """Read all of a volume: its values if there is one channel, else the mean of its colours.

        Raises
        ------
        DataError
            If it has more than `MOST_VOXELS`.
        """
        count = int(np.prod(source.shape, dtype=np.int64))
        if count > MOST_VOXELS:
            raise DataError(
                f"volume is too large for nnInteractive: expected at most {MOST_VOXELS:,} voxels, "
                f"got {count:,}. Cut out a part of it, or choose another model."
            )
        # as stored where that is known: the package scales intensities itself, whatever the window
        read = source.values or (lambda block: source.read(block).mean(axis=-1))
        grey = np.asarray(read(source.whole), np.float32)[None]
        # one NaN would make a mean and a deviation of the whole volume NaN
        grey = np.nan_to_num(grey, nan=float(np.nanmin(grey)) if np.isfinite(grey).any() else 0.0)
        return PreparedVolume(source, grey, grey.nbytes)

    def predict_volume(self, query: VolumeQuery) -> VolumeChange | None:
        """Give the session what is new, and return its answer; None if it was cancelled.

        It is asked between two prompts whether it was cancelled, not within one.
        """
        image: FloatArray = query.prepared.payload
        if not query.prompts or float(image.min()) == float(image.max()):
            # their session divides by the deviation, which is zero here
            return _change(None, query.initial)
        new = self._at(query)
        if not new and query.cancelled():
            return None
        done = query.prompts[: len(query.prompts) - len(new)]
        for prompt in new:
            if query.cancelled():
                return None
            # if it fails half-way, all is given again
            self._seen = None
            with _same_draws():
                self._add(prompt)
            done = (*done, prompt)
            self._seen, self._can_undo = (query.prepared, query.initial, done), True
        return _change(self._target, query.initial)

    def prepare(self, image: FloatArray) -> Prepared:
        """Take a slice as a volume of one plane."""
        kept = np.array(image, np.float32)
        inner = self.prepare_volume(VolumeSource.of(kept[None]))
        return Prepared((image.shape[0], image.shape[1]), inner, kept.nbytes + inner.nbytes)

    def predict(self, query: Query) -> Answer:
        """Answer on a slice; clicks beyond its edge are left out."""
        plane = Plane(0, 0)
        height, width = query.prepared.shape
        given, at = query.prompts, plane.position
        prompts: list[VolumePrompt] = []
        if given.box is not None:
            box = given.box
            prompts.append(VolumeBox(at(box.row0, box.col0), at(box.row1, box.col1)))
        for line in given.scribbles:
            prompts.append(VolumeScribble(tuple(at(*p) for p in line.points), line.positive))
        prompts += [VolumeLasso(plane, one.points, one.positive) for one in given.lassos]
        for click in given.clicks:
            if -0.5 <= click.row < height - 0.5 and -0.5 <= click.col < width - 0.5:
                prompts.append(VolumeClick(at(click.row, click.col), click.positive))
        initial = None
        # only with the first click: later on those before it are given again, and lead to that mask
        if query.prev_logits is not None and not given.clicks[1:]:
            inside = query.prev_logits > 0
            initial = VolumeMask((0, 0, 0), inside[None]) if inside.any() else None
        logits = np.full((height, width), -LOGIT_LIMIT, np.float32)
        asked = VolumeQuery(query.prepared.payload, tuple(prompts), initial)
        found = self.predict_volume(asked)
        on_plane = None if found is None else found.on(plane)
        if on_plane is not None:
            row, col, part = on_plane
            logits[row : row + part.shape[0], col : col + part.shape[1]] = part
        return Answer(logits)

    def _at(self, query: VolumeQuery) -> tuple[VolumePrompt, ...]:
        """Bring the session to a beginning of a question; return the prompts that are left."""
        # by identity: comparing all values of a volume at every click would take long
        if self._image is not query.prepared:
            shape = query.prepared.source.shape
            self._seen, self._target = None, np.zeros(shape, np.uint8)
            self._session.set_image(query.prepared.payload)
            self._session.set_target_buffer(self._target)
            self._image = query.prepared
        # prompts can only be added, so what was given has to be the beginning of the question
        if self._seen is not None and _same(self._seen[1], query.initial):
            known = self._seen[2]
            if query.prompts[: len(known)] == known:
                return query.prompts[len(known) :]
            if self._can_undo and query.prompts[: len(known) - 1] == known[:-1] and known[1:]:
                # their session goes back one step only
                self._seen, self._can_undo = None, False
                if self._session.undo():
                    self._seen = (query.prepared, query.initial, known[:-1])
                    return query.prompts[len(known) - 1 :]
        self._seen = None
        self._session.reset_interactions()
        # first of all, as it resets the prompts
        if query.initial is not None:
            given = query.initial.full(query.prepared.source.shape).astype(np.uint8)
            self._session.add_initial_seg_interaction(given)
        self._seen, self._can_undo = (query.prepared, query.initial, ()), False
        return query.prompts

    def _add(self, prompt: VolumePrompt) -> None:
        session, shape = self._session, self._target.shape
        if isinstance(prompt, VolumeClick):
            session.add_point_interaction(_voxel(prompt.at, shape), prompt.positive)
        elif isinstance(prompt, VolumeBox):
            first, last = _voxel(prompt.first, shape), _voxel(prompt.last, shape)
            # both corners belong to our box; theirs ends before its stop
            spans = [[a, b + 1] for a, b in zip(first, last, strict=True)]
            session.add_bbox_interaction(spans, prompt.positive)
        else:
            drawn = _drawn(prompt, shape)
            # only the part that is drawn is handed over, with its place: a server gets less to read
            block = box_of(drawn)
            if block is None:
                return
            part = np.ascontiguousarray(drawn[block], np.uint8)
            spans = [[span.start, span.stop] for span in block]
            if isinstance(prompt, VolumeLasso):
                session.add_lasso_interaction(part, prompt.positive, interaction_bbox=spans)
            else:
                session.add_scribble_interaction(part, prompt.positive, interaction_bbox=spans)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what a package prints; the licence that it tells is the registry's to show."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


@contextlib.contextmanager
def _same_draws() -> Iterator[None]:
    """Have the package draw the same numbers each time: where it looks again is partly drawn."""
    # draws of the caller go on afterwards as if nothing had been drawn in between
    before = np.random.get_state()  # noqa: NPY002 - the package draws from numpy's own
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def _package(module: str, needed: str) -> Any:
    try:
        return import_module(module)
    except ImportError as err:
        raise MissingExtraError(_EXTRA.format(needed=needed)) from err


def _check_safe(weights: Path) -> None:
    """Refuse a checkpoint that would run code: the package loads all that is pickled."""
    try:
        check_pickles(weights, _NUMBERS)
    except (UnsafeError, DamagedError, OSError) as err:
        raise WeightsError(
            f"checkpoint cannot be loaded safely: expected tensors, numbers and texts, got "
            f"{err} in {str(weights)!r}. Take one from the authors."
        ) from err
    for name in ("plans.json", "dataset.json", "inference_info.json"):
        path = weights.parent.parent / name
        # what is missing is told by the package
        if path.exists():
            try:
                # the package makes a network of these sizes before it looks at the weights
                told = read_json(path)
                check_numbers(told, max(weights.stat().st_size, _SPARE_NUMBER))
                _check_names(told)
            except (OSError, ValueError, AttributeError, TypeError) as err:
                raise WeightsError(
                    f"model folder cannot be used: expected JSON of a network that its weights "
                    f"fit, got {str(path)!r} ({err}). Fetch it again."
                ) from err


def _check_names(told: Any) -> None:
    """Refuse plans that name parts of other packages: whatever they name is imported and called."""
    for chosen in told.get("configurations", {}).values():
        about = chosen.get("architecture", {})
        parts = about.get("arch_kwargs") or {}
        names = [parts.get(name) for name in about.get("_kw_requires_import") or ()]
        for name in (about.get("network_class_name"), *names):
            if name is not None and not str(name).startswith(_PACKAGES):
                raise ValueError(f"it asks to run {name!r}; do not use it")


def _change(target: NDArray[np.uint8] | None, initial: VolumeMask | None) -> VolumeChange:
    """Return an answer in the smallest box that holds it and what it began with."""
    mask = None if target is None else target > 0
    block: Block | None = None if mask is None else box_of(mask)
    # with what it began with: voxels that the answer took away are to be cleared there
    block = union_of(block, None if initial is None else initial.block)
    if block is None:
        return VolumeChange((0, 0, 0), np.zeros((0, 0, 0), np.float32))
    corner = block[0].start, block[1].start, block[2].start
    if mask is None:
        size = tuple(span.stop - span.start for span in block)
        return VolumeChange(corner, np.full(size, -LOGIT_LIMIT, np.float32))
    return VolumeChange(corner, mask_to_logits(mask[block]))


def _same(one: VolumeMask | None, other: VolumeMask | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.corner == other.corner and np.array_equal(one.inside, other.inside)


def _voxel(at: tuple[float, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    # a click on the outermost half voxel rounds to one that does not exist
    return tuple(min(max(round(p), 0), size - 1) for p, size in zip(at, shape, strict=True))


def _drawn(prompt: VolumeScribble | VolumeLasso, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the voxels of a line, or those inside of it on its plane."""
    out = np.zeros(shape, bool)
    if isinstance(prompt, VolumeLasso):
        on_slice = np.moveaxis(out, prompt.plane.axis, 0)[prompt.plane.index]
        rows, cols = zip(*prompt.points, strict=True)
        inside = polygon(rows, cols, on_slice.shape)  # type: ignore[no-untyped-call]
        on_slice[inside] = True
        return out
    points = [_voxel(point, shape) for point in prompt.points]
    # a line of a single point is joined to itself
    for start, stop in zip(points, points[1:] or points, strict=False):
        out[line_nd(start, stop, endpoint=True)] = True  # type: ignore[no-untyped-call]
    return out

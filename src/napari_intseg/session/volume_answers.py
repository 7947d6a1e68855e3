"""Answers in 3-D at once: what a `VolumeSegmenter` is asked, and where its answers go."""

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import FloatArray, mask_to_logits, taken, takes_click, with_boxes
from napari_intseg.core.volume import Plane
from napari_intseg.core.volume_segmenter import (
    Block,
    Corner,
    PreparedVolume,
    VolumeBox,
    VolumeChange,
    VolumeClick,
    VolumeLasso,
    VolumeMask,
    VolumePrompt,
    VolumeQuery,
    VolumeScribble,
    VolumeSegmenter,
    VolumeSource,
    box_of,
    never,
    union_of,
)
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.slice_appearance import adapted
from napari_intseg.inference.slice_reader import SliceReader
from napari_intseg.session.document import Change, Document
from napari_intseg.session.masks.plane_state import (
    Bits,
    Packed,
    PlaneKey,
    PlaneState,
    Shown,
    VolumeKey,
    pack,
    question,
)
from napari_intseg.session.question import Setup

Placed = tuple[Plane, VolumePrompt]
"""A prompt, and the plane that it was given on."""

Held = tuple[Corner, Bits]
"""An object in a box, packed."""


@dataclass(frozen=True, slots=True, eq=False)
class VolumeAnswered:
    """What an object's mask in the volume answers; history keeps it under `VolumeKey`.

    Parameters
    ----------
    setup : Setup
        Whose model answered.
    prompts : tuple of (Plane, VolumePrompt)
        All that the object had been given.
    start : int
        The number of those that had been given when `initial` came.
    initial : (corner, Bits) or None
        The object that the others correct; None: it was empty.
    patches : mapping of Plane to Patch
        The object's masks as the answer left them; others mean that something else changed it.
    """

    setup: Setup
    prompts: tuple[Placed, ...]
    start: int
    initial: Held | None
    patches: Mapping[Plane, Patch]


class PreparedVolumes:
    """What a model prepared of the volume that was asked about last; one inference thread uses it.

    It is one volume as a model sees it: another model, or window, takes its place.
    """

    def __init__(self) -> None:
        self._key: tuple[object, Intensity] | None = None
        self._prepared: PreparedVolume | None = None

    def get(self, model: VolumeSegmenter, setup: Setup, intensity: Intensity) -> PreparedVolume:
        """Return what the model prepared, or have it do so now."""
        key = (setup, intensity)
        if self._prepared is None or self._key != key:
            # two at once may be more than memory holds
            self._prepared = None
            # (the key is set last: if preparing fails, nothing counts as prepared)
            self._prepared = model.prepare_volume(source_of(setup, intensity))
            self._key = key
        return self._prepared


@dataclass(frozen=True, slots=True, eq=False)
class VolumeRequest:
    """A question in 3-D; frozen, so that it can go to another thread.

    Parameters
    ----------
    setup : Setup
        Model and data.
    axis : int
        Masks are kept on planes perpendicular to it.
    prompts : tuple of (Plane, VolumePrompt)
        All that the object was given.
    start : int
        Those from here on are asked.
    initial : (corner, Bits) or None
        The object that they correct.
    planes : mapping of Plane to Patch
        Answers on planes with prompts, if the model wants them.
    store : PreparedVolumes
        What the model prepared.
    """

    setup: Setup
    axis: int
    prompts: tuple[Placed, ...]
    start: int
    initial: Held | None
    planes: Mapping[Plane, Patch]
    store: PreparedVolumes


@dataclass(frozen=True, slots=True, eq=False)
class VolumeAnswer:
    """The outcome of a `VolumeRequest`.

    Parameters
    ----------
    request : VolumeRequest
        Which.
    change : VolumeChange
        The model's answer.
    packed : mapping of int to Packed
        It on the planes of the request's axis, ready to be kept.
    seconds : float
        How long the model took.
    """

    request: VolumeRequest
    change: VolumeChange
    packed: Mapping[int, Packed]
    seconds: float

    def on(self, plane: Plane) -> Patch | None:
        """Return the answer on a plane; None if it does not reach there."""
        return cut(self.change, plane, self.request.setup)

    @property
    def note(self) -> str:
        """What to tell people."""
        held = sum(bool(one.inside.any()) for one in self.packed.values())
        own = str(self.change.info.get("note", ""))
        planes = f"answered in 3-D: {held} plane{'' if held == 1 else 's'}"
        return f"{planes}, {own}" if own else planes


def source_of(setup: Setup, intensity: Intensity) -> VolumeSource:
    """Return the volume as a model sees it, with an intensity that is fixed from now on."""
    volume = setup.volume

    def read(block: Block) -> FloatArray:
        rows, cols = block[1], block[2]
        planes = [
            intensity.to_rgb(volume.take(Plane(0, index), rows, cols))
            for index in range(block[0].start, block[0].stop)
        ]
        return np.stack(planes)

    def values(block: Block) -> FloatArray:
        planes = [
            volume.take(Plane(0, index), block[1], block[2])
            for index in range(block[0].start, block[0].stop)
        ]
        return np.stack(planes).astype(np.float32)

    (depth, height, width), (z, y, x) = volume.shape, volume.spacing
    # values themselves mean something only where there is one a voxel
    plain = None if volume.n_channels else values
    return VolumeSource((depth, height, width), (z, y, x), read, plain)


def answer_in_volume(
    request: VolumeRequest,
    planes: Mapping[Plane, Patch],
    should_stop: Callable[[], bool] | None = None,
) -> VolumeAnswer | None:
    """Ask the model; None if it was stopped. Runs in the inference thread.

    Parameters
    ----------
    request : VolumeRequest
        What to ask.
    planes : mapping of Plane to Patch
        Answers on planes that have come since.
    should_stop : callable, optional
        Handed to the model.
    """
    setup, model = request.setup, request.setup.volume_model
    assert model is not None
    start = time.perf_counter()
    asked = request.prompts[request.start :]
    # answers that have just come replace those of the request
    known = {plane: patch.full() for plane, patch in {**request.planes, **planes}.items()}
    query = VolumeQuery(
        request.store.get(model, setup, _intensity(setup, asked)),
        tuple(prompt for _, prompt in asked),
        None if request.initial is None else _unpacked(request.initial),
        known,
        should_stop or never,
    )
    change = model.predict_volume(query)
    if change is None:
        return None
    block, threshold = change.block, model.traits.threshold
    packed = {}
    for index in range(block[request.axis].start, block[request.axis].stop):
        patch = cut(change, Plane(request.axis, index), setup)
        assert patch is not None
        # packed here, in the inference thread: it takes tens of milliseconds a plane
        packed[index] = pack(patch, threshold)
    return VolumeAnswer(request, change, packed, time.perf_counter() - start)


def cut(change: VolumeChange, plane: Plane, setup: Setup) -> Patch | None:
    """Return a change on a plane; None if it does not reach there."""
    found = change.on(plane)
    return None if found is None else Patch(*found, setup.volume.slice_shape(plane.axis))


def prompts_in_volume(document: Document, label: int) -> tuple[Placed, ...]:
    """Return all that an object was given, in order, with the planes.

    What is drawn on a plane counts as given before the clicks there, and what came before a mask
    that a person gave there is not asked again.
    """
    found: list[tuple[tuple[int, int], Placed]] = []
    traits = document.setup.model.traits
    for plane, state in document.canvas.states(label):
        given, at = state.prompts, plane.position
        first = state.start if state.is_painted else 0
        # a box has no number of its own: it counts as given before the first click there
        order = (state.serials[first:] or (state.serial,))[0]
        drawn: list[VolumePrompt] = []
        if question(document.setup, plane, state).has_drawn:
            drawn = _drawn_in_volume(plane, with_boxes(taken(given, traits), traits))
        found += [((order, number), (plane, one)) for number, one in enumerate(drawn)]
        last = len(drawn)
        for serial, click in zip(state.serials[first:], given.clicks[first:], strict=True):
            if takes_click(traits, click):
                one = VolumeClick(at(click.row, click.col), click.positive)
                found.append(((serial, last), (plane, one)))
    return tuple(placed for _, placed in sorted(found, key=lambda pair: pair[0]))


def _drawn_in_volume(plane: Plane, given: Prompts) -> list[VolumePrompt]:
    """Return what was drawn on a plane as prompts in the volume: box, scribbles, lassos."""
    at, drawn = plane.position, list[VolumePrompt]()
    if given.box is not None:
        box = given.box
        drawn.append(VolumeBox(at(box.row0, box.col0), at(box.row1, box.col1)))
    for line in given.scribbles:
        drawn.append(VolumeScribble(tuple(at(*point) for point in line.points), line.positive))
    return drawn + [VolumeLasso(plane, one.points, one.positive) for one in given.lassos]


class VolumeAnswers:
    """Makes questions in 3-D for a document, and puts the answers in place.

    Parameters
    ----------
    document : Document
        Whose masks change.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self._prepared = PreparedVolumes()

    def is_pending(self, label: int) -> bool:
        """Whether an object has prompts that its mask in the volume does not answer yet."""
        if self.document.setup.volume_model is None or self.document.is_shut(label):
            return False
        known = self._answered(label)
        now = prompts_in_volume(self.document, label)
        return bool(now) and (known is None or known.prompts != now)

    def request(self, label: int, plane: Plane) -> VolumeRequest | None:
        """Return what to ask about an object; None if it has no prompts.

        Parameters
        ----------
        label : int
            Of the object.
        plane : Plane
            Whose own answer is computed first, if the model wants it; planes elsewhere that wait
            for theirs are left out until they have it.
        """
        document, model = self.document, self.document.setup.volume_model
        assert model is not None
        prompts, planes = prompts_in_volume(document, label), {}
        if model.answers_planes:
            planes = self._answered_planes(label)
            ready = {*planes, plane}
            prompts = tuple(placed for placed in prompts if placed[0] in ready)
            # its answer is computed with this request and comes fresh
            planes.pop(plane, None)
        if not prompts:
            return None
        start, initial = self._basis(label, prompts)
        asked = {at for at, _ in prompts[start:]}
        known = {at: patch for at, patch in planes.items() if at in asked}
        axis = self._axis(label, plane)
        return VolumeRequest(document.setup, axis, prompts, start, initial, known, self._prepared)

    def holds(self, label: int, request: VolumeRequest) -> bool:
        """Whether the object was given nothing since a request was made."""
        now = prompts_in_volume(self.document, label)
        # prompts that came meanwhile do not overtake it: they correct it next
        return request.setup is self.document.setup and {*request.prompts} <= {*now}

    def place(
        self, label: int, plane: Plane, own: PlaneState | None, answer: VolumeAnswer
    ) -> Change:
        """Put an answer in place, as a part of the action that asked for it.

        Parameters
        ----------
        label : int
            Of the object.
        plane : Plane
            Where something was given.
        own : PlaneState or None
            What it is there if the model's answer on the plane itself counts.
        answer : VolumeAnswer
            From `answer_in_volume`.
        """
        document, request = self.document, answer.request
        initial = None if request.initial is None else _unpacked(request.initial)
        reached = {Plane(request.axis, index): None for index in answer.packed}
        if initial is not None:
            # planes of the old object that the answer does not reach keep what they had
            span = initial.block[request.axis]
            reached |= {Plane(request.axis, i): None for i in range(span.start, span.stop)}
        for at, state in document.canvas.states(label):
            if at.axis == request.axis or not state.prompts.is_empty:
                reached[at] = None
        changes: dict[Hashable, Any] = {}
        for at in reached:
            now = self._state(label, at, answer, initial)
            if now is not document.canvas.get(label, at):
                changes[PlaneKey(label, at)] = now
        first = PlaneKey(label, plane)
        if own is not None and not own.prompts.is_empty:
            changes[first] = own
        # the plane that asked comes first: the others are amended along with its entry
        there = changes.pop(first, document.canvas.get(label, plane))
        patches: dict[Plane, Patch] = {}
        known = VolumeAnswered(
            document.setup, request.prompts, request.start, request.initial, patches
        )
        change = document.amend(first, there, {**changes, VolumeKey(label): known})
        for at, one in document.canvas.states(label):  # as they were settled
            if one.shown is not None:
                patches[at] = one.shown.patch
        return change

    def cleared(self, label: int, changes: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return what else goes when changed prompts leave an object none: its mask in the volume.

        The mask that it had before comes back.
        """
        document, known = self.document, self._answered(label)
        if document.setup.volume_model is None or known is None:
            return {}
        after = {
            plane: changes.get(PlaneKey(label, plane), state)
            for plane, state in document.canvas.states(label)
        }
        # something is still given elsewhere: the volume is answered anew instead
        if any(s is not None and not s.prompts.is_empty for s in after.values()):
            return {}
        whole = None if known.initial is None else _unpacked(known.initial)
        axis, threshold = self._axis(label, Plane(0, 0)), document.setup.model.traits.threshold
        planes = dict.fromkeys(after)
        if whole is not None:
            span = whole.block[axis]
            planes |= dict.fromkeys(Plane(axis, index) for index in range(span.start, span.stop))
        gone: dict[Hashable, Any] = {}
        for plane in planes:
            state = after.get(plane)
            before = None if whole is None else _mask_on(whole, plane, document.setup)
            packed = pack(before or Patch.empty(document.volume.slice_shape(plane.axis)), threshold)
            if state is not None and state.is_painted:
                shown = Shown(packed.patch, packed.inside, (True, state.serial))
                gone[PlaneKey(label, plane)] = replace(state, initial=packed.patch, shown=shown)
            elif before is not None and plane.axis == axis:
                shown = Shown(packed.patch, packed.inside, (False, document.next_serial()))
                gone[PlaneKey(label, plane)] = PlaneState(propagated=shown, shown=shown)
            else:
                gone[PlaneKey(label, plane)] = None
        return {**gone, VolumeKey(label): None}

    def _state(
        self, label: int, plane: Plane, answer: VolumeAnswer, initial: VolumeMask | None
    ) -> PlaneState | None:
        """Return a plane's state with an answer in place; None if there is nothing on it."""
        document, model = self.document, self.document.setup.volume_model
        assert model is not None
        found = document.canvas.get(label, plane)
        state = found or PlaneState()
        if model.answers_planes and not state.prompts.is_empty:
            # its own answer stays, or is still to come
            return found
        packed = answer.packed.get(plane.index) if plane.axis == answer.request.axis else None
        patch = cut(answer.change, plane, document.setup)
        rest = None if initial is None else _mask_on(initial, plane, document.setup)
        if rest is not None and (patch is None or not _covers(patch, rest)):
            patch, packed = rest if patch is None else patch.over(rest), None
        patch = patch or Patch.empty(document.volume.slice_shape(plane.axis))
        packed = packed or pack(patch, model.traits.threshold)
        if not state.prompts.is_empty:
            asked = question(document.setup, plane, state)
            shown = Shown(packed.patch, packed.inside, (True, state.serial), asked)
            return replace(state, shown=shown)
        if state.is_painted:
            shown = Shown(packed.patch, packed.inside, (True, state.serial))
            return replace(state, initial=packed.patch, shown=shown)
        if not packed.inside.any():
            return None
        shown = Shown(packed.patch, packed.inside, (False, document.next_serial()))
        return PlaneState(propagated=shown, shown=shown)

    def _answered(self, label: int) -> VolumeAnswered | None:
        known: VolumeAnswered | None = self.document.history.values.get(VolumeKey(label))
        return known

    def _answered_planes(self, label: int) -> dict[Plane, Patch]:
        """Return the answers in place on planes with prompts."""
        found = {}
        for plane, state in self.document.canvas.states(label):
            shown = state.shown
            if state.prompts.is_empty or shown is None or shown.question is None:
                continue
            if shown.question == question(self.document.setup, plane, state):
                found[plane] = shown.patch
        return found

    def _basis(self, label: int, prompts: tuple[Placed, ...]) -> tuple[int, Held | None]:
        """Return how many prompts are not asked, and the object that the others correct."""
        known = self._answered(label)
        if known is None:
            return 0, self._held(label)
        # nothing else has changed the object: all prompts since `initial` are asked again together
        if known.setup is self.document.setup and self._is_untouched(label, known, prompts):
            return known.start if len(prompts) > known.start else 0, known.initial
        answered = len(known.prompts)
        if prompts[:answered] == known.prompts and len(prompts) > answered:
            # what was done otherwise since stays
            return answered, self._held(label)
        return 0, known.initial

    def _is_untouched(self, label: int, known: VolumeAnswered, prompts: tuple[Placed, ...]) -> bool:
        """Whether nothing but prompts has changed an object since its mask was answered."""
        changed = {at for at, _ in {*prompts} ^ {*known.prompts}}
        now = {
            plane: state.shown.patch
            for plane, state in self.document.canvas.states(label)
            if state.shown is not None and plane not in changed
        }
        then = {plane: patch for plane, patch in known.patches.items() if plane not in changed}
        return now.keys() == then.keys() and all(now[at] is then[at] for at in now)

    def _held(self, label: int) -> Held | None:
        """Return the object as it is; None if it is empty. No more is read than its box."""
        document = self.document
        block: Block | None = None
        for plane, state in document.canvas.states(label):
            if state.shown is not None:
                # boxes first: the whole volume may not fit into memory
                block = union_of(block, _block_of(plane, state.shown))
        for index, painted in document.canvas.painted(label).items():
            spans = slice(index, index + 1), *painted.slices
            block = union_of(block, spans)
        if block is None:
            return None
        planes = [
            document.canvas.mask_on(label, Plane(0, index), (block[1], block[2]))
            for index in range(block[0].start, block[0].stop)
        ]
        mask = np.stack(planes)
        inner = box_of(mask)
        if inner is None:
            return None
        corner = tuple(o.start + i.start for o, i in zip(block, inner, strict=True))
        return (corner[0], corner[1], corner[2]), Bits(np.ascontiguousarray(mask[inner]))

    def _axis(self, label: int, plane: Plane) -> int:
        """Return on planes of which axis the object's mask is kept: where it is kept already."""
        for at, state in self.document.canvas.states(label):
            # a plane without prompts was answered in the volume, so masks are kept along its axis
            if state.prompts.is_empty:
                return at.axis
        return plane.axis


def _intensity(setup: Setup, asked: tuple[Placed, ...]) -> Intensity:
    """Return how the volume is shown: what adapts to a slice follows the first prompt's."""
    plane, prompt = next(
        ((at, one) for at, one in asked if isinstance(one, VolumeClick) and one.positive), asked[0]
    )
    given = Prompts()
    if isinstance(prompt, VolumeClick) and prompt.positive:
        given = Prompts((Click(*plane.on_slice(prompt.at)),))
    read = SliceReader(setup.volume, plane)
    shape = setup.volume.slice_shape(plane.axis)
    return adapted(setup.options.intensity, read, shape, given)


def _unpacked(held: Held) -> VolumeMask:
    return VolumeMask(held[0], held[1].unpacked())


def _mask_on(mask: VolumeMask, plane: Plane, setup: Setup) -> Patch | None:
    """Return a mask on a plane; None if it holds nothing there."""
    at = plane.index - mask.corner[plane.axis]
    if not 0 <= at < mask.inside.shape[plane.axis]:
        return None
    inside = np.take(mask.inside, at, axis=plane.axis)
    row, col = (c for axis, c in enumerate(mask.corner) if axis != plane.axis)
    shape = setup.volume.slice_shape(plane.axis)
    return Patch(row, col, mask_to_logits(inside), shape) if inside.any() else None


def _covers(patch: Patch, other: Patch) -> bool:
    return all(
        a.start <= b.start and b.stop <= a.stop
        for a, b in zip(patch.slices, other.slices, strict=True)
    )


def _block_of(plane: Plane, shown: Shown) -> Block:
    spans = list(shown.slices)
    spans.insert(plane.axis, slice(plane.index, plane.index + 1))
    return spans[0], spans[1], spans[2]

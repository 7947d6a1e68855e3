"""What there is to see of a session."""

from collections.abc import Iterable

import numpy as np

from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import BoolArray, FloatArray, Segmenter, sigmoid
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.inference.predict import SliceAnswer
from napari_intseg.inference.squeezed import Squeezed
from napari_intseg.session.document import Document
from napari_intseg.session.journal.recorder import Recorder
from napari_intseg.session.masks.canvas import Labels
from napari_intseg.session.masks.plane_state import PlacedClick
from napari_intseg.session.memory import Memory
from napari_intseg.session.question import Setup
from napari_intseg.session.validate_prompts import check_plane


class Views:
    """The reading half of a session; nothing here changes it.

    Parameters
    ----------
    setup : Setup
        Model, volume and how it is shown.
    axis : int
        Clicks without a plane of their own, and propagation, use planes perpendicular to it.
    """

    def __init__(self, setup: Setup, axis: int) -> None:
        self.document = Document(setup)
        self._axis = setup.volume.check_plane(Plane(axis, 0)).axis
        self._last: Plane | None = None
        self._memory = Memory()
        self.recorder = Recorder()

    @property
    def setup(self) -> Setup:
        """What answers depend on besides prompts."""
        return self.document.setup

    @property
    def volume(self) -> Volume:
        """What is segmented."""
        return self.setup.volume

    @property
    def model(self) -> Segmenter:
        """Who answers."""
        return self.setup.model

    @property
    def window(self) -> WindowChoice:
        """How values become grey; see `resolve_intensity`."""
        return self.setup.window

    @property
    def channels(self) -> tuple[int, ...] | None:
        """Which channels the model sees; None: the first three."""
        return self.setup.channels

    @property
    def axis(self) -> int:
        """Clicks and propagation use planes perpendicular to it."""
        return self._axis

    @property
    def revision(self) -> int:
        """Grows with every change."""
        return self.document.revision

    @property
    def object(self) -> int:
        """Label of the object that prompts are for."""
        return self.document.object

    @property
    def objects(self) -> tuple[int, ...]:
        """Labels of all objects, sorted."""
        return tuple(self.document.objects)

    def is_finished(self, label: int) -> bool:
        """Whether an object takes no further prompts; one that does not exist takes none."""
        info = self.document.objects.get(label)
        return info is None or info.finished

    @property
    def clicks(self) -> tuple[PlacedClick, ...]:
        """All clicks for the current object, with their planes, in the order they were made."""
        found = [
            (serial, PlacedClick(plane, number, click))
            for plane, state in self.document.canvas.states(self.object)
            for number, (serial, click) in enumerate(
                zip(state.serials, state.prompts.clicks, strict=True)
            )
        ]
        return tuple(placed for _, placed in sorted(found, key=lambda pair: pair[0]))

    def prompts(self, plane: Plane) -> Prompts:
        """Return what was given for the current object on a plane."""
        return self.document.state(self.object, plane).prompts

    def answer(self, plane: Plane, label: int | None = None) -> SliceAnswer | None:
        """Return the model's last answer to an object's prompts on a plane, in full.

        None if there is none, or so much came after it that all but its mask was forgotten; the
        current object by default.
        """
        shown = self.document.state(self.object if label is None else label, plane).shown
        if shown is None or shown.question is None:
            return None
        return self._memory.get(shown.question)

    def confidence(self, plane: Plane, label: int | None = None) -> float | None:
        """Return how sure propagation was on a plane, 0 to 1; None where it did not answer.

        Of the current object by default.
        """
        shown = self.document.state(self.object if label is None else label, plane).shown
        return None if shown is None else shown.confidence

    def clicked_planes(self, axis: int | None = None) -> tuple[Plane, ...]:
        """Return the planes on which a person gave the current object something."""
        states = self.document.canvas.states(self.object, axis)
        return tuple(plane for plane, state in states if state.is_given)

    def propagated_planes(
        self, axis: int | None = None, label: int | None = None
    ) -> tuple[Plane, ...]:
        """Return the planes whose mask of an object, the current one, came from propagation."""
        states = self.document.canvas.states(self.object if label is None else label, axis)
        return tuple(plane for plane, state in states if not state.is_given)

    def probability_on(self, plane: Plane) -> FloatArray:
        """Return the current object's probability on a plane, float32 (H, W); 0 if unanswered."""
        check_plane(self.volume, plane)
        out = np.zeros(self.volume.slice_shape(plane.axis), np.float32)
        shown = self.document.state(self.object, plane).shown
        if shown is not None:
            answer = self.answer(plane) if isinstance(shown.patch, Squeezed) else None
            patch = shown.patch if answer is None else answer.patch
            out[patch.slices] = sigmoid(patch.logits)
        return out

    @property
    def probability(self) -> FloatArray:
        """Probability on the plane last predicted, float32 (H, W); 0 before the first."""
        return self.probability_on(self._last or Plane(self._axis, 0))

    @property
    def mask(self) -> BoolArray:
        """The current object, bool, of the volume's shape; put together anew at each call."""
        return self.document.canvas.mask(self.object)

    @property
    def labels(self) -> Labels:
        """All objects by label, int32, of the volume's shape; put together anew at each call."""
        return self.document.canvas.labels()

    def mask_on(self, plane: Plane, label: int | None = None) -> BoolArray:
        """Return an object's mask on a plane, bool (H, W); the current object by default."""
        check_plane(self.volume, plane)
        return self.document.canvas.mask_on(self.object if label is None else label, plane)

    def labels_on(self, plane: Plane) -> Labels:
        """Return all objects on a plane by label, int32 (H, W)."""
        return self.document.canvas.labels_on(check_plane(self.volume, plane))

    @property
    def undo_title(self) -> str | None:
        """What undo would take back; None if there is nothing."""
        return self.document.history.undo_title

    @property
    def redo_title(self) -> str | None:
        """What redo would bring back; None if there is nothing."""
        return self.document.history.redo_title

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return self.undo_title is not None

    @property
    def can_redo(self) -> bool:
        """Whether there is something to bring back."""
        return self.redo_title is not None

    def _given(self, axis: int, label: int) -> Iterable[Plane]:
        states = self.document.canvas.states(label, axis)
        given = {plane for plane, state in states if state.is_given}
        if axis == 0:
            painted = self.document.canvas.painted(label)
            given |= {Plane(0, index) for index, one in painted.items() if one.added.any()}
        return sorted(given)

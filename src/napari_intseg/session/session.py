"""A session: one person's, or robot's, work on one volume."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

from napari_intseg._moved import renamed
from napari_intseg.core.prompts import Box, Click, Lasso, Prompts, Scribble
from napari_intseg.core.segmenter import Array, BoolArray, FloatArray, Segmenter
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.inference.intensity import WindowChoice
from napari_intseg.inference.patch import Window
from napari_intseg.inference.predict import SliceAnswer
from napari_intseg.propagation.walk import Step, Walk, WalkSettings
from napari_intseg.session.document import Change, Document
from napari_intseg.session.embeddings import EmbeddingFiles, LayeredCache, PreparedCache
from napari_intseg.session.journal.recorder import Recorder, checked, recorded
from napari_intseg.session.mask_edits import CleanUp, OutlineDetail, Painter
from napari_intseg.session.masks.canvas import Labels
from napari_intseg.session.masks.plane_state import PlacedClick
from napari_intseg.session.masks.settle import Protection
from napari_intseg.session.merge_split import Regroup
from napari_intseg.session.predictor import CACHE_BYTES, Predictor, Request, Result, Runner, run
from napari_intseg.session.propagator import Propagator
from napari_intseg.session.question import Question, SessionSettings, Setup
from napari_intseg.session.similar import TITLE, SearchRequest, SimilarObjects
from napari_intseg.session.suggestions import (
    MOST,
    Alternative,
    Alternatives,
    ChainRequest,
    ClickChain,
    Suggestion,
    suggest,
)
from napari_intseg.session.suggestions import SUGGESTED_TITLE as TITLE_SUGGESTED
from napari_intseg.session.tracking import TrackedMasks
from napari_intseg.session.validate_prompts import (
    change_words,
    check_plane,
    masks_by_plane,
    only_added,
    place,
    plane_or_only,
)

Progress = Callable[[int, int], None]


@checked
class Session:
    """One person's (or robot's) work on one volume.

    It owns a `document` (objects, prompts, masks, history), a `predictor` (what the model is asked
    and has answered), a `journal` (what was done) and the parts that change masks. Each action is
    one entry of the history and of the journal. Change it from one thread only.

    Parameters
    ----------
    model : Segmenter
        The model that answers.
    volume : Volume
        2-D or 3-D; lazy data stays lazy.
    axis : int, default 0
        Clicks without a plane of their own, and propagation, use planes perpendicular to it.
    cache_bytes : int
        Memory for what models prepare.
    runner : callable
        Computes what `predict` asks, see `Runner`; by default at once, in this thread.
    **settings
        How the model sees the image, and how it is asked; see `SessionSettings`.

    Raises
    ------
    DataError
        If the axis, the window or a channel does not exist.

    Examples
    --------
    >>> session = Session(model, Volume(array, spacing=(5.0, 0.7, 0.7)))  # doctest: +SKIP
    >>> session.click((40, 120, 200))  # doctest: +SKIP
    >>> session.mask  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Segmenter,
        volume: Volume,
        *,
        axis: int = 0,
        cache_bytes: int = CACHE_BYTES,
        runner: Runner = run,
        **settings: Unpack[SessionSettings],
    ) -> None:
        setup = Setup(model, volume, **settings)
        self.document = Document(setup)
        self.set_axis(axis)
        self.journal = Recorder()
        self.predictor = Predictor(
            self.document, self.journal, runner=runner, cache_bytes=cache_bytes
        )
        self._painter = Painter(self.document)
        self._propagator = Propagator(self.document, self.predictor, self.journal)
        self._alternatives = Alternatives(self.document, self.predictor)
        self.chain = ClickChain(self.predictor)
        self.similar = SimilarObjects(self.document, self.predictor)
        self._tracked = TrackedMasks(self.document)
        self._clean_up = CleanUp(self.document)
        self._detail = OutlineDetail(self.document)
        self._regroup = Regroup(self.document, self.predictor)
        self.journal.note("begin", axis=self._axis, setup=setup.written())

    @property
    def setup(self) -> Setup:
        """What answers depend on besides prompts."""
        return self.document.setup

    @property
    def volume(self) -> Volume:
        """What is segmented."""
        return self.document.volume

    @property
    def cache(self) -> PreparedCache | LayeredCache:
        """What models prepared."""
        return self.predictor.prepared

    recorder = renamed("journal")

    @property
    def axis(self) -> int:
        """Clicks and propagation use planes perpendicular to it; settable."""
        return self._axis

    @axis.setter
    def axis(self, axis: int) -> None:
        self.set_axis(axis)

    @property
    def model(self) -> Segmenter:
        """Who answers; settable. Masks stay; the next prompt on a plane asks the new model."""
        return self.document.setup.model

    @model.setter
    def model(self, model: Segmenter) -> None:
        self.change_setup(model=model)

    @property
    def window(self) -> WindowChoice:
        """How values become grey; settable. The current object is then predicted anew."""
        return self.document.setup.window

    @window.setter
    def window(self, window: WindowChoice) -> None:
        self.change_setup(window=window)
        self._predict_all()

    @property
    def channels(self) -> tuple[int, ...] | None:
        """Which channels the model sees; settable. The current object is then predicted anew."""
        return self.document.setup.channels

    @channels.setter
    def channels(self, channels: tuple[int, ...] | None) -> None:
        self.change_setup(channels=channels)
        self._predict_all()

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
        return self.document.is_finished(label)

    def is_locked(self, label: int) -> bool:
        """Whether an object's pixels stay as they are."""
        return self.document.is_locked(label)

    @property
    def protection(self) -> Protection:
        """Where may be written; change it with `protect`, `lock_object` and `unlock_object`."""
        return self.document.protection

    @property
    def clicks(self) -> tuple[PlacedClick, ...]:
        """All clicks for the current object, with their planes, in the order they were made."""
        return self.document.clicks(self.object)

    def prompts(self, plane: Plane) -> Prompts:
        """Return the prompts of the current object on a plane."""
        return self.document.state(self.document.object, plane).prompts

    def clicked_planes(self, axis: int | None = None) -> tuple[Plane, ...]:
        """Return the planes on which a person set prompts or a mask for the current object."""
        return self.document.given_planes(self.object, axis)

    def propagated_planes(
        self, axis: int | None = None, label: int | None = None
    ) -> tuple[Plane, ...]:
        """Return the planes whose mask of an object, the current one, came from propagation."""
        return self.document.propagated_planes(self._label(label), axis)

    def answer(self, plane: Plane, label: int | None = None) -> SliceAnswer | None:
        """Return the model's last answer on a plane, in full; None if none, or it was forgotten."""
        return self.predictor.answer(plane, self._label(label))

    def asked(self, plane: Plane, label: int) -> Question:
        """Return all that the model's answer about an object on a plane depends on."""
        return self.predictor.question(plane, label)

    def course(self, plane: Plane, label: int) -> dict[int, SliceAnswer]:
        """Return cached answers to an object's first clicks on a plane, by number of clicks."""
        return self.predictor.answers.course(self.asked(plane, label))

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """Masks offered for the current object on the plane last predicted, the best first."""
        plane = self.predictor.last_plane
        return () if plane is None else self.alternatives_on(plane)

    def alternatives_on(self, plane: Plane) -> tuple[Alternative, ...]:
        """Return the masks offered for the current object on a plane; see `alternatives`."""
        return self._alternatives.offered(plane, self.object)

    @property
    def probability(self) -> FloatArray:
        """Probability on the plane last predicted, float32 (H, W); 0 before the first."""
        return self.probability_on(self.predictor.last_plane or Plane(self._axis, 0))

    def probability_on(self, plane: Plane) -> FloatArray:
        """Return the current object's probability on a plane, float32 (H, W); 0 if unanswered."""
        return self.predictor.probability_on(check_plane(self.volume, plane), self.object)

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
        return self.document.canvas.mask_on(self._label(label), check_plane(self.volume, plane))

    def labels_on(self, plane: Plane, window: Window | None = None) -> Labels:
        """Return all objects on a plane, or on a window of it, by label, int32 (H, W)."""
        return self.document.canvas.labels_on(check_plane(self.volume, plane), window)

    def contested_on(self, plane: Plane, label: int | None = None) -> dict[int, int]:
        """Return how many pixels of an object's answer others hold; see `take_over`."""
        return self._painter.contested_on(plane, self._label(label))

    def confidence(self, plane: Plane, label: int | None = None) -> float | None:
        """Return how sure propagation was on a plane, 0 to 1; None where it did not answer."""
        return self._propagator.confidence(self._label(label), plane)

    @property
    def confidences(self) -> dict[Plane, float]:
        """How sure propagation was of the current object, 0 to 1, by plane of `axis`."""
        return self.confidences_of(self.object)

    def confidences_of(self, label: int) -> dict[Plane, float]:
        """Return the same for any object, see `confidences`."""
        return self._propagator.confidences_of(label, self._axis)

    def to_check(self, below: float = 1.0, *, label: int | None = None) -> tuple[Plane, ...]:
        """Return the planes whose confidence is at most `below`, the least sure first."""
        return self._propagator.to_check(below, self._label(label), self._axis)

    def can_propagate(self, label: int) -> bool:
        """Whether an object is open, and has a mask a person worked on to start from."""
        return self._propagator.can_propagate(label, self._axis)

    def set_axis(self, axis: int) -> None:
        """Choose the planes that clicks and propagation use; a `DataError` if there are none."""
        self._axis = self.volume.check_plane(Plane(axis, 0)).axis

    def keep_embeddings(self, files: EmbeddingFiles | None) -> None:
        """Keep what models prepare on disk as well, for another day; None: in memory only."""
        self.predictor.keep_embeddings(files)

    @recorded
    def change_setup(self, **changes: Any) -> Change:
        """Change fields of `Setup` as one entry; see `Predictor.change_setup`."""
        return self.predictor.change_setup(changes)

    @recorded
    def new_object(self, label: int | None = None) -> int:
        """Begin an object, make it the current one, and return its label."""
        return self.document.begin(label)

    def select_object(self, label: int) -> None:
        """Make an object the current one; a `PromptError` if there is none of that label."""
        self.document.object = self.document.check_object(label)

    @recorded
    def remove_object(self, label: int | None = None) -> Change:
        """Remove an object with its prompts and mask; see `Document.remove_object`."""
        return self.document.remove_object(label)

    @recorded
    def merge_objects(self, labels: Sequence[int]) -> Change:
        """Make one object of several, as one entry; see `Regroup.merge`."""
        return self._regroup.merge(labels)

    @recorded
    def split_object(
        self,
        first: Sequence[float],
        second: Sequence[float],
        label: int | None = None,
        new: int | None = None,
    ) -> Change:
        """Make two objects of one by a click inside each, as one entry; see `Regroup.split`."""
        return self._regroup.split(self._axis, first, second, label, new)

    @recorded
    def relabel_object(self, label: int, number: int) -> Change:
        """Give an object another number, as one entry; see `Regroup.relabel`."""
        return self._regroup.relabel(label, number)

    @recorded
    def renumber_objects(self, numbers: Mapping[int, int]) -> Change:
        """Give several objects other numbers, as one entry; see `Regroup.renumber`."""
        return self._regroup.renumber(numbers)

    @recorded
    def finish_object(self, label: int | None = None) -> Change:
        """Lock an object, the current one: it takes no further prompts until reopened."""
        return self.document.set_finished(label, True)

    @recorded
    def reopen_object(self, label: int | None = None) -> Change:
        """Let a finished object take prompts again; see `finish_object`."""
        return self.document.set_finished(label, False)

    # prompts, answered at once

    def click(self, position: Sequence[float], positive: bool = True) -> Result:
        """Add a click for the current object and predict its plane.

        Parameters
        ----------
        position : sequence of float
            ``(plane, row, col)`` in the order of the data's axes, whatever `axis` is;
            ``(row, col)`` in 2-D. Pixels; the centre of the first is 0.
        positive : bool, default True
            Whether it lies on the object.

        Returns
        -------
        Result
            Its `patch` is the answer on the plane; not complete if the runner computes it later.

        Raises
        ------
        PromptError
            If the position is not one in the data, or the object is finished.
        """
        plane, row, col = place(self.document.volume, self._axis, position)
        title = "Positive click" if positive else "Negative click"
        self.add_clicks({plane: (Click(row, col, bool(positive)),)}, title)
        return self.predictor.predict_or_recall(plane, self.document.object)

    def set_box(self, box: Box | None, plane: Plane | None = None) -> Result:
        """Put a box round the current object, or take it away with None, and predict."""
        where = plane_or_only(self.volume, plane)
        self.give({where: replace(self.prompts(where), box=box)}, "Set box")
        return self.predictor.predict_or_recall(where, self.object)

    def add_scribble(self, scribble: Scribble, plane: Plane | None = None) -> Result:
        """Draw a line on, or beside, the current object and predict; see `set_box`."""
        return self._draw(scribble, plane, "Add scribble")

    def add_lasso(self, lasso: Lasso, plane: Plane | None = None) -> Result:
        """Draw a closed line round, or within, the current object and predict; see `set_box`."""
        return self._draw(lasso, plane, "Add lasso")

    def remove_click(self, number: int) -> Change:
        """Remove a click by its index in `clicks`; answer as if it had not been made."""
        return self._replace_clicks(self.document.without_click(number), "Remove click")

    def move_click(self, number: int, position: Sequence[float]) -> Change:
        """Move a click by its index in `clicks`, to another plane if need be; answer again."""
        return self._replace_clicks(self.document.with_moved_click(number, position), "Move click")

    def set_initial_mask(self, mask: Array, plane: Plane | None = None) -> Change:
        """Start the current object from a mask of a slice or of the data; see `masks_by_plane`."""
        clicked = self.clicked_planes(self._axis)
        return self.set_initial(masks_by_plane(self.volume, mask, plane, self._axis, clicked))

    def predict(self, plane: Plane) -> Result | None:
        """Predict a plane if the current object has prompts to answer; see `Predictor.predict`."""
        return self.predictor.predict(plane, self.document.object)

    # prompts, answered later

    def set_prompts(self, plane: Plane, prompts: Prompts) -> Change:
        """Replace everything given for the current object on a plane.

        The mask follows at once if it is known already, or else when a `Result` is accepted.
        """
        return self.give({plane: prompts})

    def give(self, changes: Mapping[Plane, Prompts], title: str | None = None) -> Change:
        """Replace everything given on several planes, as one entry; see `set_prompts`.

        Only what was added is written down; without a title it is called after what changed.
        """
        if title is None:
            title = change_words([(self.prompts(plane), new) for plane, new in changes.items()])
        added = only_added({plane: (self.prompts(plane), new) for plane, new in changes.items()})
        if added is None:
            return self.change_prompts(changes, title)
        return self.add_clicks(added, title)

    @recorded
    def add_clicks(
        self, clicks: Mapping[Plane, tuple[Click, ...]], title: str = "Add clicks"
    ) -> Change:
        """Add clicks after those that are given on several planes, as one entry."""
        label = self.document.check_open()
        return self.predictor.give({label: self.document.with_clicks(clicks)}, title)

    @recorded
    def share_corrections(self, plane: Plane | None = None) -> Change:
        """Give objects each other's positive clicks as negative ones; see `Predictor.share`."""
        return self.predictor.share(plane_or_only(self.volume, plane))

    @recorded
    def change_prompts(
        self, changes: Mapping[Plane, Prompts], title: str = "Change prompts"
    ) -> Change:
        """Replace everything given on several planes, as one entry; see `set_prompts`."""
        return self.predictor.give({self.document.check_open(): changes}, title)

    @recorded
    def set_initial(
        self,
        masks: Mapping[Plane, BoolArray],
        title: str = "Set initial mask",
        token: str | None = None,
    ) -> Change:
        """Start planes from given masks, shown at once, as one entry; see `Predictor.start`."""
        return self.predictor.start_from(masks, title, token)

    def is_pending(self, plane: Plane) -> bool:
        """Whether the current object's prompts on a plane still wait for their answer."""
        return self.predictor.is_pending(plane, self.object)

    def request(self, plane: Plane) -> Request | None:
        """Return what there is to compute on a plane; see `Predictor.request`."""
        return self.predictor.request(plane, self.document.object)

    def accept(self, result: Result) -> bool:
        """Take over a result; False if it was overtaken, see `Predictor.accept`."""
        return self.predictor.accept(result)

    @recorded
    def choose_alternative(self, number: int, plane: Plane | None = None) -> Change:
        """Put another of the offered masks in place; see `Alternatives.choose`."""
        return self._alternatives.choose(number, plane)

    def chain_request(self, plane: Plane | None = None) -> ChainRequest:
        """Return the request of a suggested click on a plane; see `ClickChain.request`."""
        return self.chain.request(plane_or_only(self.volume, plane), self.object)

    def suggest_click(self, plane: Plane | None = None) -> Suggestion | None:
        """Return the click that the model's doubts, or `chain.policy`, suggest, or None."""
        return suggest(self.chain_request(plane))

    def take_suggested(self, plane: Plane, click: Click) -> Change:
        """Add a suggested click for the current object, as one entry."""
        return self.add_clicks({plane: (click,)}, TITLE_SUGGESTED)

    def auto_clicks(
        self,
        plane: Plane | None = None,
        *,
        most: int = MOST,
        on_progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> int:
        """Add suggested clicks, one after another; return how many; see `ClickChain.extend`."""
        where = plane_or_only(self.volume, plane)
        return self.chain.extend(
            lambda: self.suggest_click(where), lambda click: self.take_suggested(where, click),
            lambda: self.predict(where), most=most, on_progress=on_progress, should_stop=should_stop
        )  # fmt: skip

    # what a person does by hand

    @recorded
    def paint(self, strokes: Mapping[Plane, BoolArray], label: int) -> Change:
        """Paint or erase masks (H, W) on planes by hand, see `Painter.paint`; models leave them."""
        return self._painter.paint(strokes, label)

    @recorded
    def clear_painted(self, label: int | None = None, plane: Plane | None = None) -> Change | None:
        """Remove all paint of an object, by default the current one; see `Painter.clear`."""
        return self._painter.clear(label, plane)

    @recorded
    def protect(self, **rules: Any) -> Change:
        """Change policy, inside or region of `Protection`; see `Painter.protect`."""
        return self._painter.protect(rules)

    @property
    def detail_mm(self) -> float:
        """How much detail outlines show, in millimetres; 0: all of it. Set by `set_detail`."""
        return self.document.detail_mm

    @recorded
    def set_detail(
        self, mm: float, planes: Sequence[Plane] | None = None, token: str | None = None,
        labels: Sequence[int] | None = None,
    ) -> Change:  # fmt: skip
        """Smooth and simplify outlines, as one entry; see `OutlineDetail.set`."""
        return self._detail.set(mm, planes, labels, token)

    @recorded
    def lock_object(self, label: int) -> Change:
        """Keep an object's pixels as they are, whatever is done to it or to others."""
        return self._painter.set_locked(label, True)

    @recorded
    def unlock_object(self, label: int) -> Change:
        """Let an object's pixels change again, finished or not; see `lock_object`."""
        return self._painter.set_locked(label, False)

    @recorded
    def take_over(self, plane: Plane, label: int | None = None) -> Change | None:
        """Give an object its answer's pixels that others hold; see `Painter.take_over`."""
        return self._painter.take_over(plane, label)

    @recorded
    def clean_up(
        self, *, holes: bool = False, largest: bool = False, smooth_mm: float = 0.0,
        label: int | None = None,
    ) -> Change:  # fmt: skip
        """Clean up an object on the planes of `axis`; see `CleanUp.apply`."""
        return self._clean_up.apply(
            self._axis, label, holes=holes, largest=largest, smooth_mm=smooth_mm
        )

    # propagation, tracking, similar objects

    def propagation_request(
        self,
        planes: range | None = None,
        *,
        settings: WalkSettings | None = None,
        label: int | None = None,
        together: str | None = None,
        near: int | None = None,
    ) -> Walk:
        """Return what there is to propagate along `axis`; see `Propagator.request`."""
        return self._propagator.request(
            self._axis, planes, settings=settings, label=label, together=together, near=near
        )

    def accept_step(self, step: Step) -> bool:
        """Take over one step of a walk; False if overtaken, see `Propagator.accept_step`."""
        return self._propagator.accept_step(step)

    def accept_followed(self, label: int, plane: Plane, step: Step, token: Hashable = None) -> bool:
        """Take over a mask tracked from another time point; see `TrackedMasks.accept`."""
        return self._tracked.accept(label, plane, step, token)

    def propagate(
        self,
        planes: range | None = None,
        *,
        settings: WalkSettings | None = None,
        near: int | None = None,
        on_progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Change:
        """Propagate the current object from its clicked planes; see `Propagator.propagate`."""
        return self._propagator.propagate(
            self._axis, planes, settings,
            near=near, on_progress=on_progress, should_stop=should_stop,
        )  # fmt: skip

    def propagate_all(
        self,
        planes: range | None = None,
        *,
        settings: WalkSettings | None = None,
        on_progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Change:
        """Propagate every object that is not finished; see `Propagator.propagate_all`."""
        return self._propagator.propagate_all(
            self._axis, planes, settings, on_progress=on_progress, should_stop=should_stop
        )

    def search_request(
        self, plane: Plane, *, window: Window | None = None, labels: Array | None = None
    ) -> SearchRequest:
        """Return the request of a search on a plane; see `SimilarObjects.request`."""
        return self.similar.request(plane, window, labels)

    @recorded
    def begin_with(
        self,
        masks: Mapping[Plane, BoolArray],
        label: int | None = None,
        title: str = TITLE,
        token: str | None = None,
    ) -> Change:
        """Begin an object with masks (H, W) of planes, as one entry; see `Predictor.begin`."""
        return self.predictor.begin(label, masks, title, token)

    def find_alike(
        self,
        plane: Plane | None = None,
        *,
        on_progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> tuple[int, ...]:
        """Find and begin more objects like those on a plane; see `SimilarObjects.find`."""
        where, before = plane_or_only(self.volume, plane), self.objects
        self.similar.find(
            self.search_request(where),
            lambda mask, token: self.begin_with({where: mask}, token=token),
            on_progress=on_progress, should_stop=should_stop,
        )  # fmt: skip
        return tuple(label for label in self.objects if label not in before)

    # undo and redo

    @property
    def undo_title(self) -> str | None:
        """Title of the action that `undo` would revert; None if there is none."""
        return self.document.history.undo_title

    @property
    def redo_title(self) -> str | None:
        """Title of the action that `redo` would repeat; None if there is none."""
        return self.document.history.redo_title

    @property
    def can_undo(self) -> bool:
        """Whether there is an action to undo."""
        return self.undo_title is not None

    @property
    def can_redo(self) -> bool:
        """Whether there is an action to redo."""
        return self.redo_title is not None

    def can_go(self, action: str, object: int) -> bool:
        """Whether there is an action to "undo" or "redo" for one object alone."""
        return self.document.can_go(action, object)

    @recorded
    def undo(self, object: int | None = None) -> Change | None:
        """Take back the last action, or an object's; None if there is none."""
        return self.predictor.undo(object)

    @recorded
    def redo(self, object: int | None = None) -> Change | None:
        """Bring back the action, or an object's, undone last; None if there is none."""
        return self.predictor.redo(object)

    def _label(self, label: int | None) -> int:
        return self.document.object if label is None else label

    def _draw(self, line: Scribble | Lasso, plane: Plane | None, title: str) -> Result:
        where = plane_or_only(self.volume, plane)
        self.give({where: self.prompts(where).added(line)}, title)
        return self.predictor.predict_or_recall(where, self.object)

    def _replace_clicks(self, changes: Mapping[Plane, Prompts], title: str) -> Change:
        change = self.give(changes, title)
        for plane in changes:
            self.predict(plane)
        return change

    def _predict_all(self) -> None:
        for plane in self.clicked_planes():
            self.predict(plane)

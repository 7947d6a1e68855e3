"""Ask a model about one slice: choose the view, predict, put the answer back."""

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from napari_intseg.core.prompts import Click, KnownPoint, Prompts, along_scribbles
from napari_intseg.core.segmenter import (
    NOTHING,
    BatchSegmenter,
    FloatArray,
    Prepared,
    Query,
    Segmenter,
    ZoomIn,
    with_boxes,
)
from napari_intseg.errors import WeightsError
from napari_intseg.inference.intensity import Intensity
from napari_intseg.inference.memory_ladder import NoNumbers, give_up_half, memory_note, saving_of
from napari_intseg.inference.obey_clicks import (
    REACH_PX,
    begun_by_lassos,
    known_point,
    obeyed,
    steady_point,
    within_box,
    without_growth,
    without_lassoed,
    without_part,
    without_remnant,
)
from napari_intseg.inference.patch import (
    ENLARGED,
    SCALES,
    Patch,
    distinct,
    is_mostly_lost,
    is_unsure,
    joined,
    likeliest,
    raised,
    stability,
)
from napari_intseg.inference.refinement import GraphCut, LevelSet, cut, evolve, keep_elsewhere
from napari_intseg.inference.slice_appearance import (
    AppliedAppearance,
    PreparedStore,
    SliceAppearance,
)
from napari_intseg.inference.tiling import Tiles, in_region, in_tiles
from napari_intseg.inference.view import Flip, Read, View, finite, missing_numbers, resize
from napari_intseg.inference.zoom_in import (
    Look,
    first_views,
    is_seen_whole,
    is_too_small,
    look,
    overview,
)

Model = Literal["model"]

# a first answer so steady needs no narrower view: on 257 objects as good as asking always
# (IoU .621 and .620; docs/results.md)
_STEADY = 0.3

# a narrower view must be so much steadier; measured with 0, 0.02, 0.03 and 0.05: with none, noisy
# nuclei and photographs lose (docs/results.md)
_CLEARLY = 0.03


@dataclass(frozen=True, slots=True)
class Options:
    """How a slice is shown to a model; "model" takes what the model was published with.

    Parameters
    ----------
    intensity : Intensity
        Turns raw values to RGB.
    zoom_in : ZoomIn or None or "model"
        None: always the whole slice.
    flip : bool or "model"
        Average with the answer on the mirrored view.
    longer_side_px : int or None or "model"
        Views are never larger than this; None: no limit.
    local : bool, default False
        The last click changes only the region it is about; see `refine.keep_elsewhere`.
    graph_cut : GraphCut or None, default None
        Move the answer's contour onto edges of the image; see `refinement.cut`.
    tiles : Tiles or None, default None
        Draw the outline of objects larger than the view at full resolution; see `in_tiles`.
    denoise : bool, default True
        Show the model a noisy slice with less noise; see `noise`.
    look_again : bool, default True
        Ask once more, with a fresh crop, where a mask touches the edge of the view.
    narrower : bool, default True
        Ask a first question on narrower views too, and take a steadier answer; see `is_steadier`.
    coarser : bool, default True
        Enlarge a tiny slice no more than a model with `ZoomIn.coarser` wants.
    partial : bool, default True
        A negative click off the middle of a mask takes a part of it away; see `steady_point`.
    cascade : bool, default True
        Give a model that gains by it, see `Traits.cascade`, its first answer back as the previous
        one and ask again with no further click, on a fresh crop round it: cascade-forward
        refinement [1]_, twice for a box or scribbles. An unsure answer to one click in colour is
        given back larger as well, see `likeliest`. Later answers gain too little (results.md).
    obey : bool, default True
        Correct the mask round clicks that the model did not obey; see `obedience`.
    several : bool, default False
        Offer several masks for a first question, see `diversity`; a model that offers some of its
        own is left to it.
    regional : bool, default False
        Ask once more in the region between the last click and the nearest of the other sign; see
        `click_region`.
    level_set : LevelSet or None, default None
        Let the outline evolve on the logits; see `refinement.evolve`.
    whole : bool, default True
        Answer on all of the view; False: only near what may be the object, see `View.put_back`,
        which is all that a propagation keeps.

    References
    ----------
    .. [1] Sun, S. et al. "CFR-ICL: Cascade-forward refinement with iterative click loss for
       interactive image segmentation", arXiv:2303.05620.
    """

    intensity: Intensity = field(default_factory=Intensity)
    zoom_in: ZoomIn | Model | None = "model"
    flip: bool | Model = "model"
    longer_side_px: int | Model | None = "model"
    # off: on GrabCut it costs .44 clicks (NoC@90, docs/results.md)
    local: bool = False
    graph_cut: GraphCut | None = None
    tiles: Tiles | None = None
    denoise: bool = True
    look_again: bool = True
    obey: bool = True
    narrower: bool = True
    coarser: bool = True
    partial: bool = True
    several: bool = False
    # off: on GrabCut it costs .08 clicks (NoC@90, docs/results.md)
    regional: bool = False
    level_set: LevelSet | None = None
    cascade: bool = True
    whole: bool = True

    @classmethod
    def published(cls, *args: Any, **kwargs: Any) -> "Options":
        """Return options without what was added to the published predictors."""
        new = ("denoise", "look_again", "obey", "narrower", "coarser", "partial", "cascade")
        off = dict.fromkeys(new, False)
        return cls(*args, **{**off, **kwargs})

    def resolved(self, model: Segmenter) -> "Resolved":
        """Return the options of a model: every "model" replaced by the model's own.

        Views are no larger than there is memory for.
        """
        traits, longer_side_px = model.traits, self.longer_side_px
        zoom_in = traits.zoom_in if self.zoom_in == "model" else self.zoom_in
        if zoom_in is not None and not self.coarser:
            zoom_in = replace(zoom_in, coarser=None)
        if longer_side_px == "model":
            longer_side_px = traits.longer_side_px
        limit_px = saving_of(model).view_px
        if limit_px is not None:
            longer_side_px = min(limit_px, longer_side_px or limit_px)
        return Resolved(
            self.intensity,
            zoom_in,
            (False, True) if (traits.flip if self.flip == "model" else self.flip) else (False,),
            longer_side_px,
            self.local,
            self.graph_cut,
            self.tiles,
            self.denoise,
            self.look_again,
            self.obey,
            self.narrower,
            self.partial,
            self.several,
            self.regional,
            self.level_set,
            self.cascade and traits.cascade,
            self.whole,
        )


@dataclass(frozen=True, slots=True)
class Resolved:
    """Options of one model; see `Options`.

    Parameters
    ----------
    mirrored : tuple of bool
        Which images of a view are looked at: plain, and mirrored if answers are averaged.
    """

    intensity: Intensity
    zoom_in: ZoomIn | None
    mirrored: tuple[bool, ...]
    longer_side_px: int | None
    local: bool
    graph_cut: GraphCut | None
    tiles: Tiles | None = None
    denoise: bool = True
    look_again: bool = True
    obey: bool = True
    narrower: bool = True
    partial: bool = True
    several: bool = False
    regional: bool = False
    level_set: LevelSet | None = None
    cascade: bool = False
    whole: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class SliceAnswer:
    """A model's answer on a slice, and what the next question needs of it.

    Parameters
    ----------
    patch : Patch
        The answer on the slice.
    kept : View or None
        The crop that zoom-in holds from click to click.
    seen : View
        What the model looked at.
    state : Any
        The model's own memory, one entry for each of the views (plain, mirrored).
    alternatives : tuple of Patch
        Further masks, the chosen one included; empty when there is one.
    scores : tuple of float
        The model's own estimate of quality for each of `alternatives`.
    seconds : float
        How long it took.
    info : mapping
        From the model; ``"note"`` tells people why an answer is what it is.
    """

    patch: Patch
    kept: View | None
    seen: View
    state: Any = None
    alternatives: tuple[Patch, ...] = ()
    scores: tuple[float, ...] = ()
    seconds: float = 0.0
    info: Mapping[str, Any] = field(default_factory=dict)


def predict_slice(  # noqa: PLR0913 - two places to look in, the rest is one question
    model: Segmenter,
    read: Read,
    shape: tuple[int, int],
    prompts: Prompts,
    options: Options | None = None,
    *,
    prev: SliceAnswer | None = None,
    initial: Patch | None = None,
    keeps: bool = False,
    others: Read | None = None,
    known: KnownPoint | None = None,
    prepared: PreparedStore | None = None,
    key: Hashable = None,
) -> SliceAnswer:
    """Ask a model about one slice, as the published predictor of RITM does [1]_.

    The result depends on the arguments alone, and none of them is changed.

    Parameters
    ----------
    model : Segmenter
        Any model.
    read : callable
        ``read(rows, cols)`` gives a window of the slice, (h, w) or (h, w, C), in the data's dtype;
        the slices may have a step. It is called only for what `prepared` does not hold.
    shape : (int, int)
        ``(H, W)`` of the slice.
    prompts : Prompts
        All that have been given on the slice so far, in its pixels.
    options : Options, optional
        The model's own settings by default.
    prev : SliceAnswer, optional
        The answer to the prompts before the last one.
    initial : Patch, optional
        An external mask to start from; used when `prev` is None.
    keeps : bool, default False
        Whether a first positive click adds to `initial`, and takes nothing of it away.
    others : callable, optional
        ``others(rows, cols)`` tells which pixels of a window other objects have, bool (h, w). A
        model with `Traits.others` sees them as a prompt.
    known : KnownPoint, optional
        Where a click on a plane nearby says that the object is; see `guidance.clicked_nearby`.
    prepared : PreparedStore, optional
        Where to look for and to keep what the model prepares.
    key : hashable, optional
        Names the model, image, plane and intensity in `prepared`.

    Returns
    -------
    SliceAnswer
        Empty, with a note, when nothing says where the object is: no positive prompt and neither
        a previous answer nor an initial mask with a pixel in it.

    Raises
    ------
    WeightsError
        If the model answers no number at all, in float32 too.

    References
    ----------
    .. [1] Sofiiuk, K., Petrov, I., Konushin, A. "Reviving iterative training with mask guidance
       for interactive segmentation", arXiv:2102.06583.
    """
    start = time.perf_counter()
    chosen, begun = (options or Options()).resolved(model), initial
    if prompts.lassos:
        prompts = with_boxes(prompts, model.traits)
        if "lasso" in model.traits.enforced:
            prompts, begun = begun_by_lassos(prompts, initial, shape)
    guide = prev.patch if prev is not None else begun
    kept = prev.kept if prev is not None else None
    if not prompts.has_positive and (guide is None or guide.box(model.traits.threshold) is None):
        return _nothing(shape, kept, start)
    seeing = SliceAppearance(read, shape, chosen.intensity, chosen.denoise, prepared, key)
    seen = seeing.shown(prompts, guide)
    ask = _SliceQuestion(model, seeing, seen, prompts, chosen, prev, guide, others, known)
    try:
        answer = ask.answered(shape, kept)
    except NoNumbers as err:
        if not give_up_half(model):
            # asked once more in float32 only where half precision may be to blame
            raise WeightsError(str(err)) from None
        answer = ask.answered(shape, kept)
    if keeps and prev is None and initial is not None and chosen.obey:
        answer = _added_to(initial, answer, prompts, model.traits.threshold)
    return replace(answer, seconds=time.perf_counter() - start)


def prepare_slice(
    model: Segmenter,
    read: Read,
    shape: tuple[int, int],
    options: Options | None = None,
    *,
    asked: tuple[Prompts, Patch] | None = None,
    prepared: PreparedStore,
    key: Hashable = None,
) -> None:
    """Have a slice prepared before anything is asked about it; see `predict_slice`.

    The whole slice, for models without zoom-in, unless it is so large that they look at a window of
    it; or, with `asked`, the view that a first question by these prompts and mask is asked on.
    """
    chosen, view = (options or Options()).resolved(model), View.whole(shape)
    prompts, guide = asked or (Prompts(), None)
    if guide is not None and chosen.zoom_in is not None:
        view = look(chosen.zoom_in, shape, prompts, guide, None).seen
    elif not is_seen_whole(shape):
        return
    seeing = SliceAppearance(read, shape, chosen.intensity, chosen.denoise, prepared, key)
    ask = _SliceQuestion(model, seeing, seeing.shown(prompts, guide), prompts, chosen)
    ask.prepare(view.limited(chosen.longer_side_px))


def whole_keys(
    model: Segmenter, shape: tuple[int, int], options: Options, key: Hashable
) -> list[Hashable]:
    """Return under which keys `prepare_slice` keeps a slice."""
    if not is_seen_whole(shape):
        return []
    chosen = options.resolved(model)
    view = View.whole(shape).limited(chosen.longer_side_px)
    return [_prepared_key(model, key, view, mirrored) for mirrored in chosen.mirrored]


def largest_view_px(model: Segmenter, shape: tuple[int, int], options: Options) -> int:
    """Return a limit of the longer side of what a model is shown of a slice."""
    chosen = options.resolved(model)
    sides = [max(shape), *([chosen.longer_side_px] if chosen.longer_side_px else [])]
    zoom = chosen.zoom_in
    if zoom is not None and zoom.skip_clicks < 0 and (size := zoom.target_size) is not None:
        shown = max(size) if isinstance(size, tuple) else max(size, zoom.fine_size or 0)
        sides[0] = shown if chosen.tiles is None else max(shown, chosen.tiles.size_px)
    return min(sides)


@dataclass(frozen=True, slots=True, eq=False)
class _SliceQuestion:
    """One question, whichever view it will be asked on."""

    model: Segmenter
    seeing: SliceAppearance
    seen: AppliedAppearance
    prompts: Prompts
    options: Resolved
    prev: SliceAnswer | None = None
    guide: Patch | None = None
    others: Read | None = None
    known: KnownPoint | None = None

    def answered(self, shape: tuple[int, int], kept: View | None) -> SliceAnswer:
        """Return the answer as a person gets it: with clicks obeyed, drawn on edges and so on."""
        answer = self.looked(shape, kept)
        if self.options.cascade and self.guide is None and len(self.prompts.clicks) == 1:
            answer = self._likeliest(answer, *self.prompts.clicks)
        if self.guide is not None and self.options.partial and not self.prompts.has_positive:
            answer = self._kept_in_part(answer, self.guide, shape, kept)
        if self.guide is None and self.options.several and not answer.alternatives:
            answer = self._with_several(answer, shape)
        patch = self._obeyed(self._drawn(answer), answer)
        alternatives = []
        for one in answer.alternatives:
            # the one that is the answer stays the same object, so that it can be told by that
            alternatives.append(patch if one is answer.patch else self._obeyed(one, answer))
        return replace(answer, patch=patch, alternatives=tuple(alternatives))

    def looked(self, shape: tuple[int, int], kept: View | None) -> SliceAnswer:
        """Return the answer on the view that zoom-in chooses, which may be a second one."""
        zoom, guide = self.options.zoom_in, self.guide
        is_led_by_first = self.options.cascade and guide is None
        if zoom is None:
            answer = self(Look(overview(shape, self.prompts, guide), None))
            return self._led_by_first(answer, shape) if is_led_by_first else answer
        if not self.options.narrower:
            zoom = replace(zoom, narrower=())
        choice = look(zoom, shape, self.prompts, guide, kept)
        answer = self(choice)
        if zoom.narrower:
            answer = self._narrowed(answer, first_views(zoom, shape, self.prompts, guide))
        if choice.kept is None and is_too_small(zoom, answer.patch):
            answer = self(look(zoom, shape, self.prompts, answer.patch, None))
        if is_led_by_first:
            answer = self._led_by_first(answer, shape)
        threshold, is_crop = self.model.traits.threshold, answer.kept is not None
        may_move = self.options.look_again and is_crop
        if may_move and answer.seen.cuts_off(answer.patch.box(threshold)):
            # a crop round the new answer may hold what the old one cut off
            fresh = look(zoom, shape, self.prompts, answer.patch, None)
            if fresh.kept is not None and fresh.kept.box != answer.seen.box:
                answer = self(fresh)
        return answer

    def _led_by_first(self, answer: SliceAnswer, shape: tuple[int, int]) -> SliceAnswer:
        """Return the answer that is led by a first one, for a model that gains by it.

        It is asked on a fresh crop round the first, which the second click would need otherwise.
        """
        zoom = self.options.zoom_in
        # a second time is worth .02 of IoU more for boxes, .01 for scribbles (docs/results.md)
        for _ in range(2 if self.prompts.has_drawn else 1):
            if answer.patch.box(self.model.traits.threshold) is None:
                break
            choice = Look(answer.seen, answer.kept)
            if zoom is not None:
                choice = look(zoom, shape, self.prompts, answer.patch, None)
            answer = replace(self, guide=answer.patch, prev=answer)(choice)
        return answer

    def _likeliest(self, first: SliceAnswer, click: Click) -> SliceAnswer:
        """Return an unsure answer to one click in colour, or a likelier one that it leads to."""
        threshold = self.model.traits.threshold
        is_doubtful = not self.prompts.has_drawn and is_unsure(first.patch, threshold)
        if not (is_doubtful and self.seeing.is_coloured(click, self.seen)):
            return first
        led = (replace(self, guide=raised(first.patch, step), prev=first) for step in ENLARGED)
        answers = [first, *(ask(Look(first.seen, first.kept)) for ask in led)]
        return answers[likeliest([one.patch for one in answers], click, threshold)]

    def _narrowed(self, answer: SliceAnswer, views: Sequence[View]) -> SliceAnswer:
        """Return the answer on the first of some narrower views that is steadier, if one is."""
        threshold = self.model.traits.threshold
        # each narrower view costs an encoding; a steady first answer gains nothing by them
        if not views or stability(answer.patch, threshold) >= _STEADY:
            return answer
        answers = (self(Look(view, view)) for view in views)
        return next((one for one in answers if is_steadier(one, answer, threshold)), answer)

    def _kept_in_part(
        self, answer: SliceAnswer, guide: Patch, shape: tuple[int, int], kept: View | None
    ) -> SliceAnswer:
        """Return an answer that does not lose a mask of which a part was clicked away.

        With negative clicks alone, a model may answer that there is no object. It is then asked
        with a positive one where the rest of the mask is deepest; if that does not help, what is
        nearer to the negative ones goes. One on the middle takes all, but where it is `known`.
        """
        given, threshold = self.prompts, self.model.traits.threshold
        if not is_mostly_lost(answer.patch, guide, threshold):
            return answer
        steady = steady_point(given, guide, threshold)
        point = steady or known_point(self.known, given, guide, threshold)
        if point is not None:
            # without `prev`: its state belongs to the question without this click
            again = replace(self, prompts=replace(given, clicks=(point, *given.clicks)), prev=None)
            answer = again.looked(shape, kept)
        if steady is None:
            left = without_remnant(answer.patch, guide, threshold, self.known)
            answer = replace(answer, patch=left)
        if point is None or is_mostly_lost(answer.patch, guide, threshold) == (steady is None):
            return answer
        # of a flood that the model insists on, the part nearer to the clicks goes as well
        left = without_part(guide if steady else answer.patch, point, given.clicks, threshold)
        return replace(answer, patch=left)

    def _with_several(self, answer: SliceAnswer, shape: tuple[int, int]) -> SliceAnswer:
        """Return a first answer with other masks that it may mean; see `diversity`."""
        if not answer.patch.logits.size:
            return answer
        threshold = self.model.traits.threshold
        found = [answer.patch, *self._scaled(shape), *self._led(answer.patch, shape)]
        kept = distinct(found, threshold)
        if len(kept) == 1:
            return answer
        scores = tuple(stability(patch, threshold) for patch in kept)
        return replace(answer, alternatives=kept, scores=scores)

    def _scaled(self, shape: tuple[int, int]) -> Iterator[Patch]:
        """Ask on narrower views: the scale of the view says how large an object is meant."""
        zoom = self.options.zoom_in
        if zoom is not None:
            for view in first_views(replace(zoom, narrower=SCALES), shape, self.prompts, None):
                yield self(Look(view, view)).patch

    def _led(self, first: Patch, shape: tuple[int, int]) -> Iterator[Patch]:
        """Ask again, led by the first answer made larger; a model that is not led gets that one."""
        for step in ENLARGED:
            led = raised(first, step)
            if self.model.traits.uses_prev:
                yield replace(self, guide=led).looked(shape, None).patch
            elif step:
                yield led
                yield raised(first, -step)

    def _obeyed(self, patch: Patch, answer: SliceAnswer) -> Patch:
        """Return a mask with what was clicked on as it was said to be."""
        # nothing of it is left to be computed when it is asked for
        patch = Patch(patch.row0, patch.col0, patch.logits, patch.shape)
        if not self.options.obey:
            return patch
        threshold, clicks = self.model.traits.threshold, self.prompts.clicks
        if self.guide is not None and clicks:
            patch = without_growth(patch, self.guide, clicks[-1], threshold)
        seen, enforced = answer.seen, self.model.traits.enforced
        # of the slice, for one of the view: a correction is as large as what the model could see
        pixel = float(np.divide(seen.box_shape, seen.out_shape).max())
        if "box" in enforced:
            patch = within_box(patch, self.prompts, threshold)
        if "lasso" in enforced:
            patch = without_lassoed(patch, self.prompts, threshold)
        if "scribble" in enforced:
            clicks = (*along_scribbles(self.prompts, patch.shape, REACH_PX / 2 * pixel), *clicks)
        return obeyed(patch, clicks, threshold, reach_px=REACH_PX * pixel)

    def _drawn(self, answer: SliceAnswer) -> Patch:
        """Return the mask of an answer drawn in tiles, on edges and in one place."""
        patch, options, threshold = answer.patch, self.options, self.model.traits.threshold

        def coloured(rows: slice, cols: slice) -> FloatArray:
            return self.seen.intensity.to_rgb(self.seeing.read(rows, cols))

        if options.tiles is not None:
            patch = in_tiles(
                self._in_tile, patch, answer.seen, self.prompts, options.tiles, threshold=threshold
            )
        if options.regional and self.guide is not None:
            patch = in_region(self._in_tile, patch, self.prompts)
        if options.level_set is not None:
            patch = evolve(patch, coloured, threshold=threshold, settings=options.level_set)
        if options.graph_cut is not None:
            given, settings = self.prompts.clicks, options.graph_cut
            patch = cut(patch, coloured, given, threshold=threshold, settings=settings)
        if options.local and self.guide is not None and self.prompts.clicks:
            patch = keep_elsewhere(patch, self.guide, self.prompts.clicks[-1], threshold)
        return patch

    def _in_tile(self, view: View, given: Prompts, first: Patch) -> Patch:
        return replace(self, prompts=given, prev=None, guide=first)(Look(view, None)).patch

    def __call__(self, choice: Look) -> SliceAnswer:
        view = choice.seen.limited(self.options.longer_side_px)
        resample, level = self.model.traits.resample, self.model.traits.threshold
        queries = self._queries(view)
        if len(queries) > 1 and isinstance(self.model, BatchSegmenter):
            plain, *mirrored = self.model.predict_batch(queries)
        else:
            plain, *mirrored = map(self.model.predict, queries)
        missing = missing_numbers(self.model, (plain, *mirrored))
        logits = finite(plain.logits)
        state: tuple[Any, ...] = (plain.state,)
        if mirrored:
            logits = Flip(view.out_shape[1]).average(logits, finite(mirrored[0].logits))
            state = (plain.state, mirrored[0].state)
        patch = view.put_back(logits, resample, whole=self.options.whole)
        if plain.keeps_rest and self.guide is not None:
            patch = patch.over(self.guide)
        alternatives = []
        for other in plain.alternatives:
            # the one that is the answer stays the same object, so that it can be told by that
            is_patch = not mirrored and np.may_share_memory(other, plain.logits)
            alternatives.append(patch if is_patch else view.put_back(finite(other), resample))
        notes = filter(None, (plain.info.get("note"), missing, memory_note(self.model)))
        note = "; ".join(map(str, notes))
        return SliceAnswer(
            patch=patch,
            kept=choice.kept,
            seen=view,
            state=state,
            alternatives=tuple(alternatives),
            scores=plain.scores or tuple(map(stability, alternatives, [level] * len(alternatives))),
            info={**plain.info, "note": note} if note else plain.info,
        )

    def _queries(self, view: View) -> list[Query]:
        prompts = self.prompts.moved(view.position)
        logits = None
        if self.guide is not None:
            logits = view.prev_logits(self.guide, self.model.traits.resample)
        states: tuple[Any, ...] = (None, None)
        # a model's memory is about one view: on another one its positions mean nothing
        if self.prev is not None and self.prev.seen == view and self.prev.state is not None:
            states = (*self.prev.state, None)
        others = None
        if self.others is not None:
            others = resize(self.others(*view.slices), view.out_shape)
        images = self.prepare(view)
        queries = [Query(images[0], prompts, logits, states[0], view.frame, others)]
        if True in self.options.mirrored:
            flip = Flip(view.out_shape[1])
            mirrored = None if logits is None else flip.image(logits)
            frame = flip.frame(view.frame)
            beside = None if others is None else flip.image(others)
            given = flip.prompts(prompts)
            queries.append(Query(images[1], given, mirrored, states[1], frame, beside))
        return queries

    def prepare(self, view: View) -> list[Prepared]:
        """Return the image of a view, prepared, and its mirror image if that is wanted."""
        image, store, prepared = None, self.seeing.store, []
        for mirrored in self.options.mirrored:
            key = _prepared_key(self.model, self.seeing.key, view, mirrored, self.seen.name)
            found = None if store is None else store.get(key)
            if found is None:
                # read only when something is missing in the store
                if image is None:
                    as_bytes = getattr(self.model, "sees_pictures", False)
                    image = self.seeing.view(view, self.seen, as_bytes=as_bytes)
                flip = Flip(view.out_shape[1])
                found = self.model.prepare(flip.image(image) if mirrored else image)
                if store is not None:
                    store.put(key, found)
            prepared.append(found)
        return prepared


def is_steadier(answer: SliceAnswer, wider: SliceAnswer, threshold: float) -> bool:
    """Return whether an answer's outline is clearly surer, by `stability`, than on a wider view."""
    # a mask that is cut off by a narrower view asks for a wider one
    clearly = stability(wider.patch, threshold) + _CLEARLY
    is_cut_off = answer.seen.cuts_off(answer.patch.box(threshold))
    return stability(answer.patch, threshold) > clearly and not is_cut_off


def _added_to(
    initial: Patch, answer: SliceAnswer, prompts: Prompts, threshold: float
) -> SliceAnswer:
    """Return an answer that holds all of a mask to which a positive click was added."""
    if not prompts.clicks or not all(click.positive for click in prompts.clicks):
        return answer
    new = joined(answer.patch, initial, threshold)
    rest = (
        new if a is answer.patch else joined(a, initial, threshold) for a in answer.alternatives
    )
    return replace(answer, patch=new, alternatives=tuple(rest))


def _prepared_key(
    model: Segmenter, key: Hashable, view: View, mirrored: bool, tissue: str = ""
) -> Hashable:
    """Return a key.

    What was prepared for want of memory, or through a window that is not the volume's, is neither
    shared nor kept on disk.
    """
    saving = saving_of(model)
    less_memory = () if saving == NOTHING else (saving,)
    return (key, view, mirrored, *less_memory, *((tissue,) if tissue else ()))


def _nothing(shape: tuple[int, int], kept: View | None, start: float) -> SliceAnswer:
    info = {"note": "nothing marks the object yet: add a positive click"}
    seconds = time.perf_counter() - start
    return SliceAnswer(Patch.empty(shape), kept, View.whole(shape), seconds=seconds, info=info)

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_intseg.core.prompts import Box, Click, KnownPoint, Prompts, Scribble
from napari_intseg.core.segmenter import (
    LOGIT_LIMIT,
    Answer,
    Prepared,
    Query,
    Traits,
    ZoomIn,
    sigmoid,
)
from napari_intseg.core.volume import Volume
from napari_intseg.inference.intensity import Intensity, resolve_intensity
from napari_intseg.inference.memory_ladder import within_memory
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.predict import Options, SliceAnswer, is_steadier, predict_slice
from napari_intseg.inference.view import View


class Recorder:
    """Answers a blob round each positive click, and keeps what it was asked."""

    def __init__(self, radius: float = 20, **traits: Any) -> None:
        self.traits = Traits("recorder", **traits)
        self.radius = radius
        self.prepared: list[np.ndarray] = []
        self.queries: list[Query] = []

    def prepare(self, image: np.ndarray) -> Prepared:
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        self.prepared.append(image)
        return Prepared(image.shape[:2], image, image.nbytes)

    def predict(self, query: Query) -> Answer:
        self.queries.append(query)
        rows, cols = np.ogrid[: query.prepared.shape[0], : query.prepared.shape[1]]
        best = np.full(query.prepared.shape, -8.0)
        for click in query.prompts.clicks:
            if click.positive:
                distance = np.hypot(rows - click.row, cols - click.col)
                np.maximum(best, 8 * (1 - distance / self.radius), out=best)
        return Answer(best.astype(np.float32), state=len(self.queries))


class Batching(Recorder):
    def predict_batch(self, queries: list[Query]) -> list[Answer]:
        self.batch = len(queries)
        return [self.predict(query) for query in queries]


class Fixed(Recorder):
    """Gives the same answer whatever it is asked."""

    def __init__(self, answer: Answer, **traits: Any) -> None:
        super().__init__(**traits)
        self.answer = answer

    def predict(self, query: Query) -> Answer:
        self.queries.append(query)
        return self.answer


class Store:
    def __init__(self) -> None:
        self.kept: dict[Hashable, Prepared] = {}

    def get(self, key: Hashable) -> Prepared | None:
        return self.kept.get(key)

    def put(self, key: Hashable, prepared: Prepared) -> None:
        self.kept[key] = prepared


def ask(model: Any, image: np.ndarray, *clicks: Click, **kwargs: Any) -> SliceAnswer:
    options = kwargs.pop("options", Options(Intensity()))
    return predict_slice(
        model,
        kwargs.pop("read", lambda rows, cols: image[rows, cols]),
        image.shape[:2],
        Prompts(clicks),
        options,
        **kwargs,
    )


GREY = np.full((100, 140), 90, np.uint8)


def test_only_negative_clicks_find_nothing_and_say_why() -> None:
    model = Recorder()
    answer = ask(model, GREY, Click(3, 3, False))
    assert not answer.patch.mask().any()
    assert "positive" in answer.info["note"]
    assert model.queries == []
    ask(model, GREY, Click(3, 3))
    assert len(model.queries) == 1


def test_negative_clicks_alone_correct_a_mask_that_is_there() -> None:
    model = Recorder()
    there = Patch.from_mask(np.ones(GREY.shape, bool))
    once = Options(Intensity(), partial=False)
    ask(model, GREY, Click(3, 3, False), initial=there, options=once)
    assert len(model.queries) == 1
    ask(model, GREY, Click(3, 3, False), initial=Patch.empty(GREY.shape))
    assert len(model.queries) == 1


def test_a_mask_to_start_from_reaches_the_model_and_the_zoom() -> None:
    model = Recorder(zoom_in=ZoomIn(min_crop_size=20, target_size=None), uses_prev=True)
    mask = np.zeros(GREY.shape, bool)
    mask[40:60, 50:90] = True
    answer = ask(model, GREY, initial=Patch.from_mask(mask))
    np.testing.assert_array_equal(model.queries[0].prev_logits > 0, mask[answer.seen.slices])
    assert answer.seen.box == (36, 65, 42, 99)


def test_the_previous_answer_wins_over_the_initial_mask() -> None:
    model = Recorder()
    first = ask(model, GREY, Click(50, 50))
    everything = Patch.from_mask(np.ones(GREY.shape, bool))
    ask(model, GREY, Click(50, 50), Click(60, 60), prev=first, initial=everything)
    prev = model.queries[-1].prev_logits
    np.testing.assert_allclose(sigmoid(prev), sigmoid(first.patch.full()), atol=1e-6)


def test_state_comes_back_only_on_the_same_view() -> None:
    model = Recorder(flip=True)
    first = ask(model, GREY, Click(50, 50))
    assert first.state == (1, 2)
    second = ask(model, GREY, Click(50, 50), Click(9, 9), prev=first)
    assert [q.state for q in model.queries[-2:]] == [1, 2]
    zoomed = Options(Intensity(), zoom_in=ZoomIn())
    ask(model, GREY, Click(50, 50), Click(9, 9), prev=second, options=zoomed)
    assert [q.state for q in model.queries[-2:]] == [None, None]
    unflipped = ask(model, GREY, Click(50, 50), prev=second, options=Options(flip=False))
    ask(model, GREY, Click(50, 50), prev=unflipped)
    assert model.queries[-1].state is None


def test_flip_asks_for_the_mirror_image_and_averages() -> None:
    model = Batching(flip=True)
    image = np.tile(np.arange(140, dtype=np.uint8), (100, 1))
    flipped = ask(model, image, Click(50, 30))
    plain, mirrored = model.queries
    assert model.batch == 2
    assert mirrored.prompts.clicks == (Click(50, 109),)
    np.testing.assert_array_equal(model.prepared[1], model.prepared[0][:, ::-1])
    single = ask(model, image, Click(50, 30), options=Options(flip=False))
    assert plain.prompts == model.queries[-1].prompts
    np.testing.assert_allclose(flipped.patch.full(), single.patch.full(), atol=1e-4)


def test_a_view_is_limited_and_clicks_and_answer_follow() -> None:
    image = np.zeros((2048, 1024), np.uint8)
    model = Recorder(longer_side_px=256)
    answer = ask(model, image, Click(1000, 600))
    assert model.prepared[0].shape == (256, 128, 3)
    assert model.queries[0].prompts.clicks == (Click(125, 75),)
    assert answer.patch.full().shape == image.shape
    rows, cols = np.nonzero(answer.patch.mask())
    assert rows.mean() == pytest.approx(1000, abs=8)
    assert cols.mean() == pytest.approx(600, abs=8)
    free = Options(longer_side_px=None)
    assert ask(model, image, Click(0, 0), options=free).seen.out_shape == (2048, 1024)


def test_a_small_first_answer_is_asked_for_again_zoomed_in() -> None:
    zoom = ZoomIn(skip_clicks=0, min_crop_size=40)
    model = Recorder(zoom_in=zoom, radius=8)
    answer = ask(model, GREY, Click(50, 50))
    assert len(model.queries) == 2
    assert answer.seen == answer.kept
    assert model.queries[1].prev_logits is None


def test_prepared_images_are_looked_up_and_nothing_is_read_twice() -> None:
    model, store, reads = Recorder(flip=True), Store(), []

    def read(rows: slice, cols: slice) -> np.ndarray:
        reads.append((rows, cols))
        return GREY[rows, cols]

    first = ask(model, GREY, Click(50, 50), prepared=store, key="a", read=read)
    again = ask(model, GREY, Click(50, 50), prepared=store, key="a", read=read)
    # once to measure the noise of the slice, once for the view; its noise is kept as well
    assert (len(reads), len(model.prepared), len(store.kept)) == (2, 2, 3)
    np.testing.assert_array_equal(first.patch.logits, again.patch.logits)
    ask(model, GREY, Click(50, 50), prepared=store, key="b", read=read)
    assert (len(reads), len(model.prepared)) == (4, 4)
    plain = Options(Intensity(), denoise=False)
    ask(model, GREY, Click(50, 50), prepared=store, key="c", read=read, options=plain)
    assert len(reads) == 5


def test_only_the_crop_is_read() -> None:
    read_px = []

    def read(rows: slice, cols: slice) -> np.ndarray:
        part = image[rows, cols]
        read_px.append(part.size)
        return part

    image = np.zeros((3000, 3000), np.uint8)
    mask = np.zeros(image.shape, bool)
    mask[500:520, 700:730] = True
    ask(
        Recorder(zoom_in=ZoomIn()), image, Click(510, 710), initial=Patch.from_mask(mask), read=read
    )
    assert sum(read_px) <= 201 * 201


def test_alternatives_and_scores_come_back_on_the_slice() -> None:
    small = np.ones((50, 70), np.float32)
    answer = Answer(small, alternatives=(small, -small), scores=(0.9, 0.4), info={"a": 1})
    model = Fixed(answer, longer_side_px=70, resample="logits")
    result = ask(model, GREY, Click(5, 5), options=Options(Intensity(), obey=False))
    assert [p.full().shape for p in result.alternatives] == [GREY.shape] * 2
    assert result.alternatives[1].full().max() == -1
    assert result.scores == (0.9, 0.4)
    assert result.info == {"a": 1}
    assert result.seconds > 0


def test_logits_that_are_not_finite_become_finite() -> None:
    logits = np.zeros(GREY.shape, np.float32)
    logits[0, :3] = np.nan, np.inf, -np.inf
    full = ask(Fixed(Answer(logits)), GREY, Click(5, 5)).patch.full()
    assert full[0, :3].tolist() == [-LOGIT_LIMIT, LOGIT_LIMIT, -LOGIT_LIMIT]


def test_the_same_question_gives_the_same_answer_and_changes_nothing() -> None:
    image = GREY.copy()
    image.flags.writeable = False
    options = Options(Intensity(), zoom_in=ZoomIn(min_crop_size=40), flip=True)
    first = ask(Recorder(), image, Click(50, 50), options=options)
    before = first.patch.logits.copy()
    one, two = (
        ask(Recorder(), image, Click(50, 50), Click(9, 9), prev=first, options=options)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.patch.logits, two.patch.logits)
    np.testing.assert_array_equal(first.patch.logits, before)
    assert one.kept == two.kept


BAD = {
    "nan": np.full((30, 40), np.nan, np.float32),
    "inf": np.where(np.eye(30, 40) > 0, np.inf, -np.inf).astype(np.float32),
    "constant": np.full((30, 40), 3.5),
    "float64": np.random.default_rng(0).normal(size=(30, 40)) * 1e200,
    "uint16": np.random.default_rng(0).integers(0, 65536, (30, 40), dtype=np.uint16),
    "int16": np.random.default_rng(0).integers(-1024, 3000, (30, 40), dtype=np.int16),
    "bool": np.eye(30, 40, dtype=bool),
    "one pixel": np.array([[7]], np.uint8),
    "one row": np.arange(200, dtype=np.uint8)[None],
    "one column": np.arange(200, dtype=np.uint8)[:, None],
    "20,000 pixels wide": np.zeros((2, 20_000), np.uint8),
    "20,000 pixels high": np.zeros((20_000, 1), np.int16),
    "20,000 pixels a side": np.broadcast_to(np.uint8(9), (20_000, 20_000)),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize(
    "zoom", [ZoomIn(), ZoomIn(skip_clicks=0, target_size=(64, 48)), None], ids=str
)
def test_odd_images_are_answered(name: str, zoom: ZoomIn | None) -> None:
    image = BAD[name]
    options = Options(resolve_intensity(Volume(image)), zoom_in=zoom, flip=True, longer_side_px=400)
    click = Click(image.shape[0] // 2, image.shape[1] // 2)
    model = Recorder(radius=10 if image.size > 1e8 else 60)
    first = ask(model, image, click, options=options)
    second = ask(model, image, click, Click(0, 0, False), prev=first, options=options)
    for answer in (first, second):
        assert np.isfinite(answer.patch.logits).all()
        assert answer.patch.shape == image.shape
        inside = answer.patch.inside()
        at = round(click.row) - answer.patch.row0, round(click.col) - answer.patch.col0
        # of two clicks on one pixel the last one counts
        assert inside[at] == (name != "one pixel" or answer is first)


def test_options_may_replace_the_models_own() -> None:
    model = Recorder(zoom_in=ZoomIn(), flip=True, longer_side_px=900)
    own = Options().resolved(model)
    assert (own.zoom_in, own.mirrored, own.longer_side_px) == (ZoomIn(), (False, True), 900)
    options = Options(zoom_in=None, flip=False, longer_side_px=None)
    none = options.resolved(model)
    assert (none.zoom_in, none.mirrored, none.longer_side_px) == (None, (False,), None)


def test_how_large_a_view_is_is_asked_only_when_memory_has_run_out() -> None:
    model, asked, left = Recorder(), [], [0]

    def attempt() -> int:
        left[0] -= 1
        if left[0] >= 0:
            raise MemoryError
        return 7

    def seen_px() -> float:
        asked.append(Options().resolved(model).longer_side_px)
        return 600

    assert within_memory(model, attempt, seen_px=seen_px) == 7
    assert not asked
    left[0] = 2
    assert within_memory(model, attempt, seen_px=seen_px) == 7
    # once, before anything was given up; 768 px are no less than what is seen
    assert asked == [None]
    assert Options().resolved(model).longer_side_px == 256


@pytest.mark.parametrize("own", [900, None])
def test_views_are_no_larger_than_there_is_memory_for(own: int | None) -> None:
    model = Recorder(longer_side_px=own)
    left = [1]

    def attempt() -> int | None:
        left[0] -= 1
        if left[0] >= 0:
            raise MemoryError
        return Options().resolved(model).longer_side_px

    assert within_memory(model, attempt) == 768
    assert Options(longer_side_px=300).resolved(model).longer_side_px == 300


def test_a_local_click_leaves_all_else_bit_equal() -> None:
    painted = np.zeros(GREY.shape, bool)
    painted[5:25, 100:130] = True
    before = Patch.from_mask(painted)
    model = Recorder(radius=12)
    local = ask(model, GREY, Click(70, 40), initial=before, options=Options(local=True))
    free = ask(model, GREY, Click(70, 40), initial=before)
    assert not free.patch.mask()[10, 110]  # the model alone would forget the painted part
    assert local.patch.mask()[70, 40]
    changed = free.patch.mask() & ~painted
    np.testing.assert_array_equal(local.patch.full()[~changed], before.full()[~changed])
    np.testing.assert_array_equal(local.patch.full()[changed], free.patch.full()[changed])


class Wide(Recorder):
    """Answers with a bar across all of the view, 20 rows high."""

    def predict(self, query: Query) -> Answer:
        self.queries.append(query)
        logits = np.full(query.prepared.shape, -6, np.float32)
        row = int(query.prompts.clicks[0].row)
        logits[max(0, row - 10) : row + 10] = 6
        return Answer(logits)


def test_a_mask_that_touches_the_edge_of_its_view_is_asked_for_again() -> None:
    image = np.full((200, 400), 90, np.uint8)
    mask = np.zeros(image.shape, bool)
    mask[90:110, 180:220] = True
    start = Patch.from_mask(mask)
    zoom = ZoomIn(min_crop_size=40, target_size=None)
    counts = []
    for again in (True, False):
        model = Wide(zoom_in=zoom)
        options = Options(Intensity(), look_again=again)
        answer = ask(model, image, Click(100, 200), initial=start, options=options)
        counts.append((len(model.queries), answer.seen.box_shape[1]))
    assert counts[0][0] == 2
    assert counts[1] == (1, 57)
    assert counts[0][1] > 57


def test_a_mask_that_ends_at_the_slice_is_not_cut_off() -> None:
    view = View(0, 50, 10, 60, (50, 50), (100, 60))
    assert not view.cuts_off((0, 40, 20, 60))
    assert view.cuts_off((0, 50, 20, 60))
    assert view.cuts_off((0, 40, 10, 60))
    assert not View.whole((100, 60)).cuts_off((0, 100, 0, 60))


class Vague(Recorder):
    """Answers a disc on the click whose outline is steep in small views alone."""

    def __init__(self, steep_below: float, **traits: Any) -> None:
        super().__init__(**traits)
        self.steep_below = steep_below

    def predict(self, query: Query) -> Answer:
        self.queries.append(query)
        rows, cols = np.ogrid[: query.prepared.shape[0], : query.prepared.shape[1]]
        click = query.prompts.clicks[0]
        inside = self.radius - np.hypot(rows - click.row, cols - click.col)
        steep = 2.0 if max(query.prepared.shape) < self.steep_below else 0.1
        return Answer((steep * inside).astype(np.float32))


@pytest.mark.parametrize(
    ("steep_below", "side", "asked"),
    [(150, 100, 3), (160, 150, 2), (0, 200, 3), (1000, 200, 1)],
)
def test_of_first_views_the_first_steadier_answer_is_taken(
    steep_below: int, side: int, asked: int
) -> None:
    image = np.full((200, 200), 90, np.uint8)
    zoom = ZoomIn(narrower=(0.75, 0.5), target_size=None, min_crop_size=40)
    model = Vague(steep_below, zoom_in=zoom)
    options = Options(Intensity(), obey=False)
    first = ask(model, image, Click(100, 100), options=options)
    assert len(model.queries) == asked  # a steady one is not asked about again
    assert first.seen.box_shape == (side, side)
    ask(model, image, Click(100, 100), Click(101, 101), prev=first, options=options)
    assert len(model.queries) == asked + 1
    once = Vague(steep_below, zoom_in=zoom)
    plain = ask(once, image, Click(100, 100), options=replace(options, narrower=False))
    assert len(once.queries) == 1
    assert plain.seen.box_shape == (200, 200)


def test_a_mask_that_a_narrower_view_cuts_off_is_not_taken() -> None:
    def answer(size: int, steep: float) -> SliceAnswer:
        view = View(100 - size, 100 + size, 100 - size, 100 + size, (200, 200), (200, 200))
        rows, cols = np.ogrid[-size:size, -size:size]
        logits = (steep * (30 - np.hypot(rows, cols))).astype(np.float32)
        patch = Patch(100 - size, 100 - size, logits, (200, 200))
        return SliceAnswer(patch, view, view)

    vague, cut, fits = answer(100, 0.1), answer(25, 5), answer(50, 5)
    assert not is_steadier(cut, vague, 0.5)
    assert is_steadier(fits, vague, 0.5)
    assert not is_steadier(fits, answer(100, 5), 0.5)


class Forgetful(Recorder):
    """Answers nothing without a positive click, as networks may where a mask is all that guides."""

    def predict(self, query: Query) -> Answer:
        answer = super().predict(query)
        rows, cols = np.ogrid[: query.prepared.shape[0], : query.prepared.shape[1]]
        logits = answer.logits.copy()
        for click in query.prompts.clicks:
            if not click.positive:
                logits[np.hypot(rows - click.row, cols - click.col) < 6] = -8
        return replace(answer, logits=logits)


def test_a_negative_click_off_the_middle_of_a_mask_does_not_empty_it() -> None:
    image = np.full((100, 120), 90, np.uint8)
    painted = np.hypot(*np.ogrid[-50:50, -60:60]) < 25
    start, away = Patch.from_mask(painted), Click(50, 80, positive=False)
    model = Forgetful(radius=25)
    mask = ask(model, image, away, initial=start).patch.mask()
    assert not mask[50, 80]
    assert 2 * np.count_nonzero(mask & painted) > np.count_nonzero(painted)
    assert len(model.queries) == 2
    once = Options(Intensity(), partial=False)
    empty = ask(model, image, away, initial=start, options=once)
    assert not empty.patch.mask().any()
    middle = ask(model, image, Click(50, 60, positive=False), initial=start)
    assert not middle.patch.mask().any()
    # the state is of the question without the click that was added
    before = ask(model, image, Click(50, 60))
    ask(model, image, away, prev=before)
    assert before.state[0] is not None
    assert [query.state for query in model.queries[-2:]] == [before.state[0], None]


@pytest.mark.parametrize("radius", [8, 25])
def test_where_the_object_is_known_a_click_on_the_middle_does_not_empty_a_flood(radius) -> None:
    image = np.full((100, 120), 90, np.uint8)
    painted = np.hypot(*np.ogrid[-50:50, -60:60]) < 25
    start, away, known = (
        Patch.from_mask(painted),
        Click(50, 60, positive=False),
        KnownPoint(Click(50, 45), 99),
    )
    mask = ask(Forgetful(radius=radius), image, away, initial=start, known=known).patch.mask()
    assert mask[50, 45]
    assert 2 * np.count_nonzero(mask & painted) < np.count_nonzero(painted)
    # a model that insists on the flood loses what is nearer to the click
    assert not mask[:, 53:].any()
    # known is what the mask holds, and a second click means all of it
    elsewhere = ask(
        Forgetful(radius=8), image, away, initial=start, known=KnownPoint(Click(50, 99), 9)
    )
    assert not elsewhere.patch.mask().any()
    again = ask(Forgetful(radius=8), image, Click(50, 70, positive=False), away, initial=start,
                known=known)  # fmt: skip
    assert not again.patch.mask().any()
    # so small an object does not go on to here
    few = ask(Forgetful(radius=8), image, away, initial=start, known=replace(known, least_px=300))
    assert not few.patch.mask().any()


class Surer(Recorder):
    """Answers a blob round the clicks, or the previous answer one logit surer."""

    def predict(self, query: Query) -> Answer:
        if query.prev_logits is None:
            return super().predict(query)
        self.queries.append(query)
        return Answer((query.prev_logits + 1).astype(np.float32), state=len(self.queries))


def test_a_model_that_gains_by_it_is_asked_again_with_its_first_answer() -> None:
    image = np.full((200, 200), 90, np.uint8)
    model = Surer(cascade=True, zoom_in=ZoomIn(target_size=None, min_crop_size=40))
    options = Options(Intensity(), obey=False, look_again=False)
    first = ask(model, image, Click(100, 100), options=options)
    once, again = model.queries[0], model.queries[-1]
    assert once.prev_logits is None
    assert again.prev_logits is not None
    assert again.prev_logits.max() == 8
    assert first.patch.logits.max() == 9
    assert again.prepared.shape[0] < once.prepared.shape[0] == 200  # a crop round the answer
    assert {len(query.prompts.clicks) for query in model.queries} == {1}
    asked = len(model.queries)
    second = ask(model, image, Click(100, 100), Click(101, 101), prev=first, options=options)
    assert len(model.queries) == asked + 1
    assert second.seen == first.seen  # the same crop, which is there already


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (Prompts((Click(3, 3),)), 2),
        (Prompts((Click(3, 3),), Box(1, 1, 6, 6)), 3),
        (Prompts((Click(3, 3),), scribbles=(Scribble(((2, 2), (4, 4))),)), 3),
    ],
)
def test_what_is_drawn_is_asked_about_twice_again(given: Prompts, asked: int) -> None:
    model = Surer(cascade=True, prompts=frozenset({"click", "box", "scribble"}))
    answer = predict_slice(
        model, lambda rows, cols: GREY[rows, cols], GREY.shape, given, Options(obey=False)
    )
    assert len(model.queries) == asked
    assert [query.prev_logits is None for query in model.queries] == [True] + [False] * (asked - 1)
    # each answer led the next
    assert answer.patch.logits.max() == 8 + asked - 1


def test_a_tiny_slice_is_shown_coarser_unless_that_is_refused() -> None:
    sizes = []
    for options in (Options(), Options(coarser=False), Options.published()):
        model = Recorder(zoom_in=ZoomIn(target_size=128, coarser=4))
        ask(model, np.full((16, 16), 90, np.uint8), Click(3, 3), options=options)
        sizes.append(model.queries[0].prepared.shape[0])
    assert sizes == [64, 128, 128]


@pytest.mark.parametrize("option", ["cascade", "published", "trait"])
def test_an_answer_is_not_refined(option: str) -> None:
    model, gains = Surer(cascade=option != "trait"), Surer(cascade=True)
    options = Options.published() if option == "published" else Options(cascade=option != "cascade")
    ask(model, GREY, Click(3, 3), options=replace(options, obey=False))
    assert len(model.queries) == 1
    ask(gains, GREY, Click(3, 3), options=Options(obey=False))
    assert len(gains.queries) == 2  # of a slice that is seen whole, one view
    nothing = Fixed(Answer(np.full(GREY.shape, -8, np.float32)), cascade=True)
    ask(nothing, GREY, Click(3, 3), options=Options(obey=False))
    assert len(nothing.queries) == 1

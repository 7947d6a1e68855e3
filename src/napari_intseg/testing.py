"""What a third-party model needs to test itself: a contract and phantoms with known truth.

A model is tested by two lines, in a test file of its own::

    from napari_intseg.testing import SegmenterContract

    class TestMine(SegmenterContract):
        model_name = "mine"           # as registered; or override make() and make_half()

A model that answers volumes at once inherits `VolumeSegmenterContract` in the same way.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_intseg.core.prompts import Box, Click, Lasso, Prompts, Scribble
from napari_intseg.core.segmenter import (
    Answer,
    BatchSegmenter,
    BoolArray,
    FloatArray,
    Query,
    Segmenter,
    Traits,
    mask_to_logits,
    sigmoid,
)
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.core.volume_segmenter import (
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
)
from napari_intseg.models.image_input import raw_logits

__all__ = [
    "SegmenterContract", "VolumeSegmenterContract", "phantom_image", "phantom_volume",
    "prompts_for", "raw_logits",
]  # fmt: skip


def phantom_image(
    seed: int = 0, *, shape: tuple[int, int] = (96, 128)
) -> tuple[FloatArray, BoolArray]:
    """Return an RGB image of a bright disc on a dark, noisy ground, and the disc.

    Parameters
    ----------
    seed : int
        Of the noise and of the disc's place; the same seed gives the same image.
    shape : (int, int)
        Rows and columns.

    Returns
    -------
    image : ndarray of float32, shape (H, W, 3)
        RGB in [0, 1], as `Segmenter.prepare` takes it.
    truth : ndarray of bool, shape (H, W)
        The disc; its radius is a quarter of the shorter side, and it lies inside the image.
    """
    rng = np.random.default_rng(seed)
    radius = min(shape) / 4
    row, col = (rng.uniform(radius, max(radius, n - 1 - radius)) for n in shape)
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    truth = (rows - row) ** 2 + (cols - col) ** 2 <= radius**2
    # a contrast of ten times the noise: any model that works finds the disc
    grey = np.where(truth, 0.7, 0.3) + rng.normal(0, 0.04, shape)
    image = np.repeat(np.clip(grey, 0, 1)[..., None], 3, axis=2)
    return image.astype(np.float32), np.asarray(truth)


def phantom_volume(
    seed: int = 0,
    *,
    shape: tuple[int, int, int] = (16, 48, 64),
    spacing: tuple[float, float, float] = (3.0, 1.0, 1.0),
) -> tuple[Volume, NDArray[np.int32]]:
    """Return a CT-like volume with a ball and a box in it, and their labels.

    Parameters
    ----------
    seed : int
        Of noise and places; the same seed gives the same volume.
    shape : (int, int, int)
        Planes, rows and columns.
    spacing : (float, float, float)
        Millimetres between voxel centres, ``(z, y, x)``. The ball is round in millimetres.

    Returns
    -------
    volume : Volume
        int16, Hounsfield units: air -1000, tissue 40, ball 160, box 400, noise of 15.
    labels : ndarray of int32, shape (D, H, W)
        1 in the ball, 2 in the box, 0 elsewhere. They do not touch.
    """
    rng = np.random.default_rng(seed)
    size = np.array(shape) * spacing
    z, y, x = (g * s for g, s in zip(np.ogrid[tuple(map(slice, shape))], spacing, strict=True))
    # a little, so that ball and box never touch
    shift = rng.uniform(-0.02, 0.02, 3) * size
    body = ((y / size[1] - 0.5) / 0.48) ** 2 + ((x / size[2] - 0.5) / 0.48) ** 2 <= 1
    ball = (
        (z - size[0] * 0.5 - shift[0]) ** 2
        + (y - size[1] * 0.5 - shift[1]) ** 2
        + (x - size[2] * 0.32 - shift[2]) ** 2
    ) <= (0.2 * size[1:].min()) ** 2
    box = (
        (abs(z - size[0] * 0.5) <= 0.25 * size[0])
        & (abs(y - size[1] * 0.5 - shift[1]) <= 0.15 * size[1])
        & (abs(x - size[2] * 0.7 - shift[2]) <= 0.1 * size[2])
    )
    labels = np.zeros(shape, np.int32)
    labels[ball] = 1
    labels[box] = 2
    values = np.where(np.broadcast_to(body, shape), 40.0, -1000.0)
    values = np.choose(labels, [values, 160.0, 400.0]) + rng.normal(0, 15, shape)
    return Volume(values.round().astype(np.int16), spacing=spacing), labels


class SegmenterContract:
    """Tests that every model passes; inherit in a pytest class and say which model.

    Set `model_name` to a registered name, or override `make` and `make_half`. `shape` is the
    image's size, for models that take some sizes only; `mirror_tolerance` how far the probability
    on the mirrored image may differ on average (networks with strides are not exactly symmetric);
    `half_tolerance` how far that in bfloat16 may differ on average from that in float32.
    """

    model_name: ClassVar[str] = ""
    shape: ClassVar[tuple[int, int]] = (96, 128)
    # means over the image; every registered model passes with these
    mirror_tolerance: ClassVar[float] = 0.1
    half_tolerance: ClassVar[float] = 0.05

    def make(self) -> Segmenter:
        """Return the model to test; by default the registered one on the CPU."""
        from napari_intseg.models.registry import load_model

        return load_model(self.model_name, device="cpu", precision="float32")

    def make_half(self) -> Segmenter | None:
        """Return the model in bfloat16; None where `make` is overridden and this is not."""
        if not self.model_name:
            return None
        from napari_intseg.models.registry import load_model

        return load_model(self.model_name, device="cpu", precision="bfloat16")

    def ask(
        self, prompts: Prompts | None = None, prev: FloatArray | None = None
    ) -> tuple[Segmenter, Query]:
        """Return the model and a query on the phantom; by default the disc is asked for."""
        model = self.make()
        image, truth = phantom_image(shape=self.shape)
        given = prompts or prompts_for(model.traits, truth)
        return model, Query(model.prepare(image), given, prev)

    def test_logits_are_float32_finite_and_on_the_image(self) -> None:
        """Logits are float32 finite and on the image."""
        model, query = self.ask()
        _check(model.predict(query), query.prepared.shape)

    def test_probabilities_lie_between_0_and_1_and_name_an_object_or_none(self) -> None:
        """Probabilities lie between 0 and 1 and name an object or none."""
        model, query = self.ask()
        answer = model.predict(query)
        prob = sigmoid(answer.logits)
        assert prob.min() >= 0
        assert prob.max() <= 1
        assert (prob > model.traits.threshold).dtype == bool
        assert all(np.isfinite(score) for score in answer.scores)

    def test_the_same_query_gives_the_same_answer(self) -> None:
        """The same query gives the same answer."""
        model, query = self.ask()
        first, second = model.predict(query), model.predict(query)
        np.testing.assert_array_equal(first.logits, second.logits)

    def test_arguments_stay_as_they_are(self) -> None:
        """Arguments stay as they are."""
        model = self.make()
        image, truth = phantom_image(shape=self.shape)
        prev = mask_to_logits(truth)
        before = image.copy(), prev.copy()
        # numpy raises where a model writes into them
        image.flags.writeable = prev.flags.writeable = False
        model.predict(Query(model.prepare(image), prompts_for(model.traits, truth), prev))
        np.testing.assert_array_equal(image, before[0])
        np.testing.assert_array_equal(prev, before[1])

    def test_an_answer_does_not_change_when_another_is_given(self) -> None:
        """An answer does not change when another is given."""
        model, query = self.ask()
        first = model.predict(query)
        kept = first.logits.copy()
        image, truth = phantom_image(1, shape=self.shape)
        model.predict(Query(model.prepare(image), prompts_for(model.traits, truth)))
        np.testing.assert_array_equal(first.logits, kept)
        np.testing.assert_array_equal(model.predict(query).logits, kept)

    def test_a_previous_answer_is_taken(self) -> None:
        """A previous answer is taken."""
        model, query = self.ask()
        first = model.predict(query)
        second = model.predict(Query(query.prepared, query.prompts, first.logits, first.state))
        _check(second, query.prepared.shape)

    def test_many_clicks_of_both_signs_are_taken(self) -> None:
        """Many clicks of both signs are taken."""
        height, width = self.shape
        clicks = tuple(
            # 25 clicks on a lattice, no two in one row or column
            Click(i * (height - 1) / 24, (i * 7 % 25) * (width - 1) / 24, i % 2 == 0)
            for i in range(25)
        )
        model, query = self.ask()
        given = query.prompts
        if "click" in model.traits.prompts:
            given = replace(given, clicks=given.clicks + clicks)
        elif "extreme_points" in model.traits.prompts:
            given = replace(given, clicks=given.clicks + clicks[::2])
        _check(model.predict(replace(query, prompts=given)), query.prepared.shape)

    def test_clicks_outside_the_view_are_taken(self) -> None:
        """Clicks outside the view are taken."""
        # zoom-in cuts views that do not hold every click
        far = (Click(-40.0, 10.0), Click(10.0, 1e4, False), Click(-3.0, -3.0))
        model, query = self.ask()
        given = query.prompts
        if "click" in model.traits.prompts:
            given = replace(given, clicks=given.clicks + far)
        else:
            # a view may cut a box, or the points on an outline
            given = given.moved(lambda row, col: (row - 30, col + 30))
        _check(model.predict(replace(query, prompts=given)), query.prepared.shape)

    def test_every_kind_of_prompt_it_names_is_taken(self) -> None:
        """Every kind of prompt it names is taken."""
        height, width = self.shape
        model = self.make()
        box = Box(height * 0.2, width * 0.2, height * 0.8, width * 0.8)
        line = Scribble(((height * 0.4, width * 0.4), (height * 0.6, width * 0.6)))
        if "box" in model.traits.prompts:
            self._takes(Prompts(box=box))
        if "scribble" in model.traits.prompts:
            self._takes(Prompts(scribbles=(line,)))
        if "lasso" in model.traits.prompts:
            self._takes(Prompts(lassos=(Lasso((*line.points, (height * 0.6, width * 0.4))),)))
        if "mask" in model.traits.prompts:
            image, truth = phantom_image(shape=self.shape)
            given = prompts_for(model.traits, truth)
            query = Query(model.prepare(image), given, mask_to_logits(truth))
            _check(model.predict(query), self.shape)
        assert model.traits.prompts

    def test_a_batch_equals_one_by_one(self) -> None:
        """A batch equals one by one."""
        model, query = self.ask()
        image, truth = phantom_image(1, shape=self.shape)
        queries = [query, Query(model.prepare(image), prompts_for(model.traits, truth))]
        one_by_one = [model.predict(q) for q in queries]
        if isinstance(model, BatchSegmenter):
            _agree(model.predict_batch(queries), one_by_one)
        _agree([model.predict(q) for q in queries], one_by_one)

    def test_a_mirrored_image_gives_a_mirrored_answer(self) -> None:
        """A mirrored image gives a mirrored answer."""
        model = self.make()
        image, truth = phantom_image(shape=self.shape)
        width = self.shape[1]
        given = prompts_for(model.traits, truth)
        mirrored = given.moved(lambda row, col: (row, width - 1 - col))
        plain = model.predict(Query(model.prepare(image), given)).logits
        other = model.predict(
            Query(model.prepare(np.ascontiguousarray(image[:, ::-1])), mirrored)
        ).logits
        difference = np.abs(sigmoid(plain) - sigmoid(np.ascontiguousarray(other[:, ::-1])))
        assert difference.mean() <= self.mirror_tolerance

    def test_bfloat16_on_the_cpu_gives_the_same_answer_roughly(self) -> None:
        """Bfloat16 on the CPU gives the same answer roughly."""
        half = self.make_half()
        if half is None:
            return
        model, query = self.ask()
        image, _ = phantom_image(shape=self.shape)
        answer = half.predict(Query(half.prepare(image), query.prompts))
        _check(answer, self.shape)
        difference = np.abs(sigmoid(answer.logits) - sigmoid(model.predict(query).logits))
        assert difference.mean() <= self.half_tolerance

    def test_constant_images_are_answered(self) -> None:
        """Constant images are answered."""
        model = self.make()
        _, truth = phantom_image(shape=self.shape)
        # statistics of such an image have no spread, which many normalisations divide by
        for value in (0.0, 1.0):
            image = np.full((*self.shape, 3), value, np.float32)
            answer = model.predict(Query(model.prepare(image), prompts_for(model.traits, truth)))
            _check(answer, self.shape)

    def test_traits_agree_with_each_other(self) -> None:
        """Traits agree with each other."""
        traits = self.make().traits
        assert traits.name
        assert 0 < traits.threshold < 1
        assert traits.resample in ("probability", "logits")

    def _takes(self, prompts: Prompts) -> None:
        model, query = self.ask(prompts)
        _check(model.predict(query), query.prepared.shape)


class VolumeSegmenterContract:
    """Tests that every model that answers in 3-D passes; inherit and override `make`.

    `shape` is the volume's size. Of a model with `answers_planes`, planes with prompts are given
    as the truth there, as its session would after asking its slices.
    """

    model_name: ClassVar[str] = ""
    shape: ClassVar[tuple[int, int, int]] = (12, 40, 44)

    def make(self) -> VolumeSegmenter:
        """Return the model to test; by default the registered one on the CPU."""
        from napari_intseg.models.registry import load_model

        model = load_model(self.model_name, device="cpu", precision="float32")
        assert isinstance(model, VolumeSegmenter)
        return model

    def source(self, seed: int = 0) -> tuple[VolumeSource, BoolArray]:
        """Return a bright ball on a dark, noisy ground as a source, and the ball."""
        rng = np.random.default_rng(seed)
        spans = (np.arange(n) - (n - 1) / 2 for n in self.shape)
        distances = sum((g / n) ** 2 for g, n in zip(np.ix_(*spans), self.shape, strict=True))
        truth = np.asarray(distances <= 0.3**2)
        grey = np.where(truth, 0.7, 0.3) + rng.normal(0, 0.04, self.shape)
        rgb = np.repeat(np.clip(grey, 0, 1)[..., None], 3, axis=3).astype(np.float32)
        return VolumeSource.of(rgb), truth

    def ask(
        self, model: VolumeSegmenter, *prompts: VolumePrompt, seed: int = 0, **more: Any
    ) -> tuple[VolumeQuery, BoolArray]:
        """Return a query on the ball and the ball; by default one click in its middle."""
        source, truth = self.source(seed)
        at = tuple(float(n // 2) for n in self.shape)
        given = prompts or (VolumeClick((at[0], at[1], at[2])),)
        plane = Plane(0, self.shape[0] // 2)
        planes = {plane: mask_to_logits(truth[plane.index])} if model.answers_planes else {}
        return VolumeQuery(model.prepare_volume(source), given, planes=planes, **more), truth

    def test_logits_are_float32_finite_and_inside_the_volume(self) -> None:
        """Logits are float32, finite and inside the volume."""
        model = self.make()
        query, _ = self.ask(model)
        self._check(model.predict_volume(query))

    def test_the_same_query_gives_the_same_answer_whatever_was_asked_before(self) -> None:
        """The same query gives the same answer, also after others and on a new model."""
        model = self.make()
        query, _ = self.ask(model)
        first = self._answer(model, query)
        kept = first.copy()
        more = (*query.prompts, VolumeClick((0.0, 1.0, 1.0), positive=False))
        self._answer(model, replace(query, prompts=more))
        other, _ = self.ask(model, seed=1)
        self._answer(model, other)
        np.testing.assert_array_equal(first, kept)
        np.testing.assert_array_equal(self._answer(model, query), kept)
        new = self.make()
        np.testing.assert_array_equal(self._answer(new, self.ask(new)[0]), kept)

    def test_arguments_stay_as_they_are(self) -> None:
        """Arguments stay as they are."""
        model = self.make()
        query, truth = self.ask(model)
        initial = VolumeMask((0, 0, 0), truth.copy())
        initial.inside.flags.writeable = False  # numpy raises where a model writes into it
        for logits in query.planes.values():
            logits.flags.writeable = False
        self._check(model.predict_volume(replace(query, initial=initial)))
        np.testing.assert_array_equal(initial.inside, truth)

    def test_every_kind_of_prompt_it_names_is_taken_with_both_signs(self) -> None:
        """Every kind of prompt it names is taken, with both signs."""
        model = self.make()
        (z, y, x), kinds = (n // 2 for n in self.shape), model.traits.prompts
        mid, near = (float(z), float(y), float(x)), (float(z), y + 4.0, x + 4.0)
        for sign in (True, False):
            made: dict[str, VolumePrompt] = {
                "click": VolumeClick(mid, sign),
                "box": VolumeBox(mid, near, sign),
                "scribble": VolumeScribble((mid, near), sign),
                "lasso": VolumeLasso(
                    Plane(0, z), ((y - 3.0, x - 3.0), (y - 3.0, x + 3.0), (y + 3.0, x)), sign
                ),
            }
            for kind in kinds & made.keys():
                # begun by something of the object: a negative prompt alone says nothing
                query, _ = self.ask(model, VolumeClick(mid), made[kind])
                self._check(model.predict_volume(query))
        assert kinds

    def test_it_stops_when_it_is_cancelled(self) -> None:
        """It stops when it is cancelled, and answers the next query as ever."""
        model = self.make()
        query, _ = self.ask(model)
        expected = self._answer(model, query)
        assert model.predict_volume(replace(query, cancelled=lambda: True)) is None
        np.testing.assert_array_equal(self._answer(model, query), expected)

    def test_traits_agree_with_each_other(self) -> None:
        """Traits agree with each other."""
        traits = self.make().traits
        assert traits.name
        assert 0 < traits.threshold < 1

    def _answer(self, model: VolumeSegmenter, query: VolumeQuery) -> FloatArray:
        """Return the logits on the whole volume, zero where nothing was said."""
        change = model.predict_volume(query)
        self._check(change)
        assert change is not None
        out = np.zeros(self.shape, np.float32)
        out[change.block] = change.logits
        return out

    def _check(self, change: VolumeChange | None) -> None:
        assert change is not None
        assert change.logits.dtype == np.float32
        assert np.isfinite(change.logits).all()
        for part, size in zip(change.block, self.shape, strict=True):
            assert 0 <= part.start <= part.stop <= size


def prompts_for(traits: Traits, truth: BoolArray) -> Prompts:
    """Return the prompts by which a model is asked for a known object.

    Parameters
    ----------
    traits : Traits
        Of the model.
    truth : ndarray of bool, shape (H, W)
        The object; not empty.

    Returns
    -------
    Prompts
        The four extreme points, or the box round the object, where the model needs them; a click
        at its centre of mass where it takes clicks.
    """
    rows, cols = np.nonzero(truth)
    kinds = traits.needs or traits.prompts & {"click"} or traits.prompts
    clicks: tuple[Click, ...] = ()
    if "extreme_points" in kinds:
        ends = (rows.argmin(), rows.argmax(), cols.argmin(), cols.argmax())
        clicks = tuple(Click(float(rows[i]), float(cols[i])) for i in ends)
    elif "click" in kinds:
        clicks = (Click(float(rows.mean()), float(cols.mean())),)
    corners = (rows.min(), cols.min(), rows.max(), cols.max())
    box = Box(*(float(v) for v in corners)) if "box" in kinds else None
    return Prompts(clicks, box)


def _check(answer: Answer, shape: tuple[int, int]) -> None:
    for logits in (answer.logits, *answer.alternatives):
        assert logits.shape == shape
        assert logits.dtype == np.float32
        assert np.isfinite(logits).all()
    assert len(answer.scores) in (0, len(answer.alternatives))


def _agree(answers: Sequence[Answer], expected: Sequence[Answer]) -> None:
    assert len(answers) == len(expected)
    for answer, other in zip(answers, expected, strict=True):
        # batched kernels sum in another order
        np.testing.assert_allclose(answer.logits, other.logits, rtol=1e-3, atol=1e-3)

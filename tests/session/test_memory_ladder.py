"""Out of memory at every stage, on every step: less of it, a word, and the session goes on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_intseg import Plane, Session, Volume
from napari_intseg.core.segmenter import NOTHING, Saving, mask_to_logits
from napari_intseg.errors import DeviceError
from napari_intseg.inference.memory_ladder import memory_note, saving_of, warm_up
from napari_intseg.models.net_model import NetModel, OnDevice
from napari_intseg.propagation.walk import WalkSettings, walk
from napari_intseg.session.compare.two_answers import both_ways
from napari_intseg.session.embeddings import prepare, to_prepare

DATA = np.zeros((4, 260, 900), np.uint8)
DATA[:, 60:240, 100:400] = 255
FULL = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
ERRORS = [
    FULL,
    torch.OutOfMemoryError("full"),
    MemoryError(),
    DeviceError("device is out of memory: x"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
]
ALL = (
    NOTHING,
    Saving(half=True),
    Saving(half=True, view_px=768),
    Saving(half=True, view_px=512),
    Saving(half=True, view_px=256),
    Saving(on_cpu=True),
    Saving(view_px=256, on_cpu=True),
)
STEPS = {  # what helps, and what is told of it
    "half precision": (Saving(half=True), "computed in half precision"),
    "a smaller view": (
        Saving(half=True, view_px=512),
        "computed in half precision, from a view of at most 512 px",
    ),
    "the CPU": (Saving(on_cpu=True), "computed on the CPU"),
    "all of it": (
        Saving(view_px=256, on_cpu=True),
        "computed on the CPU, from a view of at most 256 px",
    ),
}
STAGES = ("load", "prepare", "predict", "batch")


class Tight(NetModel):
    """A network on what stands for a GPU, where memory runs out at one stage unless it saves."""

    def __init__(self, inner, stage, needs, error=FULL):
        self.inner, self.stage, self.needs, self.error = inner, stage, needs, error
        self.traits = replace(inner.traits, flip=stage == "batch", embeds=True)
        net = torch.nn.Conv2d(1, 1, 1)
        self.weight = float(net.weight.detach()[0])
        # another device than "cpu" to the ladder, and the same to PyTorch
        self.hosted = OnDevice(net, torch.device("cpu:0"), torch.float32)
        self.tried = []

    def _check(self, stage):
        if stage == self.stage:
            self.tried.append(self.saving)
            if ALL.index(self.saving) < ALL.index(self.needs):
                raise self.error
        wanted = torch.float32 if self.saving.on_cpu or not self.saving.half else torch.bfloat16
        assert self.net.weight.dtype == self.dtype == wanted
        assert self.device == torch.device("cpu" if self.saving.on_cpu else "cpu:0")

    def prepare(self, image):
        self._check("load")
        self._check("prepare")
        self._check_side(image.shape)
        return self.inner.prepare(image)

    def predict(self, query):
        self._check("predict")
        self._check_side(query.prepared.shape)
        return self.inner.predict(query)

    def predict_batch(self, queries):
        self._check("batch")
        return [self.inner.predict(query) for query in queries]

    def warm_up(self):
        self._check("warm up")

    def follow(self, read, planes, *, masks):
        last = dict(masks)[list(masks)[-1]]
        for index in planes:
            self._check("follow")
            image = read(index)
            found = image.mean(axis=2) > 0.5
            last = found & last if index not in masks else masks[index]
            yield index, mask_to_logits(last)

    def _check_side(self, shape):
        assert max(shape[:2]) <= (self.saving.view_px or 900)


class Plain:
    """A model that knows of no steps, with room for a view of so many pixels at one stage."""

    def __init__(self, inner, stage, room_px, error=FULL):
        self.traits, self.inner = inner.traits, inner
        self.stage, self.room_px, self.error = stage, room_px, error
        self.failed = 0

    def _check(self, stage, shape):
        if stage == self.stage and max(shape) > self.room_px:
            self.failed += 1
            raise self.error

    def prepare(self, image):
        self._check("prepare", image.shape[:2])
        return self.inner.prepare(image)

    def predict(self, query):
        self._check("predict", query.prepared.shape)
        return self.inner.predict(query)


class Bound(Plain):
    """One that cannot be referred to weakly."""

    __slots__ = ("error", "failed", "inner", "room_px", "stage", "traits")


def check(mask, truth=DATA[1] > 0):
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_taken_told_and_kept(bright, stage, step):
    needs, told = STEPS[step]
    model = Tight(bright(), stage, needs)
    assert model.savings == ALL
    session = Session(model, Volume(DATA))
    result = session.click((1, 200, 200))
    assert result.info["note"] == f"memory ran out: {told}"
    check(session.mask[1])
    assert model.tried == [*ALL[: ALL.index(needs) + 1], *model.tried[ALL.index(needs) + 1 :]]
    assert set(model.tried[ALL.index(needs) :]) == {needs}
    model.tried.clear()
    session.click((2, 200, 200))
    assert set(model.tried) == {needs}  # kept, and not found out again
    assert session.answer(Plane(0, 2)).info["note"] == f"memory ran out: {told}"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_taken_and_told_while_propagating(bright, stage, step):
    needs, told = STEPS[step]
    model = Tight(bright(), "none", needs)
    model.traits = replace(model.traits, flip=stage == "batch")
    session = Session(model, Volume(DATA))
    session.click((1, 200, 200))
    model.stage = stage
    request = session.propagation_request()
    steps = [step for step in walk(request) if session.accept_step(step)]
    answered = [step for step in steps if step.plane is not None]
    assert len(answered) == 3
    assert {step.note for step in answered} == {f"memory ran out: {told}"}
    for mask in session.mask:
        check(mask)
    assert model.saving == needs


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("before", [0, 1])
def test_each_step_is_taken_by_a_model_that_follows_by_memory(bright, step, before):
    needs, told = STEPS[step]
    model = Tight(bright(), "none", needs)
    session = Session(model, Volume(DATA))
    session.click((0, 200, 200))
    request = session.propagation_request(settings=WalkSettings(method="memory"))
    notes = []
    model.stage = "none" if before else "follow"
    for one in walk(request):
        assert session.accept_step(one)
        notes += [one.note] if one.plane is not None else []
        model.stage = "follow"
    assert [bool(note) for note in notes] == [False] * before + [True] * (3 - before)
    assert notes[-1] == f"memory ran out: {told}"
    for mask in session.mask:
        check(mask)


@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_taken_while_planes_are_prepared_ahead(bright, step):
    needs, _ = STEPS[step]
    model = Tight(bright(), "prepare", needs)
    session = Session(model, Volume(DATA))
    ahead = to_prepare(session.setup, Plane(0, 2), session.cache)
    prepare(ahead)
    assert model.saving == needs
    assert (
        to_prepare(session.setup, Plane(0, 2), session.cache) is None
    )  # it is there, as it will be asked for
    prepared = model.inner.prepared
    assert session.click((2, 200, 200)).info["note"] == memory_note(model)
    assert model.inner.prepared == prepared


@pytest.mark.parametrize("needs", [Saving(half=True), Saving(on_cpu=True)])
def test_each_step_that_can_help_is_taken_while_warming_up(bright, needs):
    model = Tight(bright(), "warm up", needs)
    warm_up(model)
    assert model.tried[-1] == model.saving == needs
    assert all(saving.view_px is None for saving in model.tried)
    warm_up(bright())  # one that cannot is left alone


def test_without_room_to_warm_up_it_is_told(bright):
    model = Tight(bright(), "warm up", ALL[-1])
    with pytest.raises(DeviceError, match="memory is too small for 'bright'"):
        warm_up(model)
    assert model.saving == NOTHING


def test_the_suggestion_of_the_next_click_takes_steps_too(bright):
    model = Tight(bright(), "predict", Saving(half=True))
    session = Session(model, Volume(DATA))
    session.click((1, 200, 200))
    model.release()
    question = session.document.state(1, Plane(0, 1)).shown.question
    plain, mirrored = both_ways(question)
    check(plain.mask())
    check(mirrored.mask())
    assert model.saving == Saving(half=True)


@pytest.mark.parametrize("error", ERRORS)
def test_whichever_error_says_so(bright, error):
    model = Tight(bright(), "predict", Saving(on_cpu=True), error)
    assert Session(model, Volume(DATA)).click((1, 200, 200)).info["note"].endswith("on the CPU")


@pytest.mark.parametrize("stage", STAGES)
def test_where_not_even_the_cpu_has_room_it_is_told_and_the_session_goes_on(bright, stage):
    model = Tight(bright(), stage, ALL[-1])
    model.needs = ALL[-1]
    session = Session(model, Volume(DATA))
    real, model._check = model._check, lambda _stage: (_ for _ in ()).throw(FULL)
    said = r"too small for 'bright': expected room .* on the CPU, .* at most 256 px, got none"
    with pytest.raises(DeviceError, match=said) as caught:
        session.click((1, 200, 200))
    assert "device='cpu'" not in str(caught.value)  # that was tried
    assert caught.value.__cause__.__traceback__ is None  # what filled the memory is let go
    assert len(session.clicks) == 1
    assert model.saving == NOTHING
    model._check, model.stage = real, "none"
    result = session.predict(session.clicks[0].plane)  # there is room again
    assert "note" not in result.info
    check(session.mask[1])
    session.undo()
    assert not session.mask.any()


def test_a_propagation_that_finds_no_room_keeps_what_is_done(bright):
    model = Tight(bright(), "none", ALL[-1])
    session = Session(model, Volume(DATA))
    session.click((0, 200, 200))
    steps = walk(session.propagation_request())
    assert session.accept_step(next(steps))
    real, model._check = model._check, lambda _stage: (_ for _ in ()).throw(FULL)
    with pytest.raises(DeviceError, match="memory is too small"):
        next(steps)
    model._check = real
    check(session.mask[1])
    assert not session.mask[2:].any()
    session.propagate()
    check(session.mask[3])


def test_a_model_that_is_chosen_anew_or_was_released_begins_at_the_top(bright):
    model = Tight(bright(), "predict", Saving(on_cpu=True))
    session = Session(model, Volume(DATA))
    session.click((1, 200, 200))
    assert model.saving.on_cpu
    session.model = Tight(bright(), "none", NOTHING)
    assert "note" not in session.click((2, 200, 200)).info
    model.release()
    assert model.saving == NOTHING
    assert (model.device, model.dtype) == (torch.device("cpu:0"), torch.float32)
    model.stage = "none"
    session.model = model
    assert "note" not in session.click((3, 200, 200)).info


def test_weights_come_back_from_half_precision_as_they_were(bright):
    model = Tight(bright(), "none", NOTHING)
    with torch.no_grad():
        model.net.weight[:] = 1 / 3
    exact = model.net.weight.clone()
    model.save_memory(Saving(half=True))
    assert model.net.weight.dtype == torch.bfloat16
    model.save_memory(Saving(on_cpu=True))
    assert torch.equal(model.net.weight, exact)
    model.save_memory(Saving(half=True, view_px=256))
    model.release()
    assert torch.equal(model.net.weight, exact)


def test_a_network_that_finds_no_room_when_loaded_is_asked_all_the_same(bright):
    class Full(torch.nn.Conv2d):
        def to(self, *given, **named):
            if given and given[0] == torch.device("meta"):
                raise FULL
            return super().to(*given, **named)

    model = Tight(bright(), "none", NOTHING)
    own = model.hosted
    own.net, own.device = Full(1, 1, 1), torch.device("meta")
    own.settle()
    assert model.net.weight.device.type == "cpu"
    with pytest.raises(RuntimeError, match="out of memory"):
        own.bring()
    model.save_memory(Saving(on_cpu=True))
    own.bring()
    assert model.net.weight.device.type == "cpu"


def test_settling_passes_other_errors_on(bright):
    model = Tight(bright(), "none", NOTHING)
    model.hosted.device = torch.device("cuda:77")
    with pytest.raises((RuntimeError, AssertionError), match=r"(?i)cuda"):
        model.hosted.settle()


@pytest.mark.parametrize("stage", ["prepare", "predict"])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("kind", [Plain, Bound])
def test_a_model_without_steps_gets_smaller_views(bright, stage, error, kind):
    model = kind(bright(), stage, 512, error)
    session = Session(model, Volume(DATA))
    result = session.click((1, 200, 200))
    note = "memory ran out: computed from a view of at most 512 px"
    assert result.info["note"] == note
    check(session.mask[1])
    failed = model.failed
    assert session.click((2, 200, 200)).info["note"] == note
    assert model.failed == failed
    session.propagate()
    for mask in session.mask:
        check(mask)
    assert model.failed == failed


@pytest.mark.parametrize("stage", ["prepare", "predict"])
def test_without_any_room_for_such_a_model_the_session_goes_on(bright, stage):
    model = Plain(bright(), stage, 10)
    session = Session(model, Volume(DATA))
    with pytest.raises(DeviceError, match="choose a smaller model, or device='cpu'"):
        session.click((1, 200, 200))
    assert saving_of(model) == NOTHING
    assert len(session.clicks) == 1
    session.model = bright()
    session.predict(session.clicks[0].plane)
    assert session.mask.any()
    session.undo()
    session.undo()
    assert not session.mask.any()


def test_what_one_model_gave_up_is_not_taken_from_another(bright):
    model = Plain(bright(), "predict", 512)
    Session(model, Volume(DATA)).click((1, 200, 200))
    assert saving_of(model).view_px == 512
    assert saving_of(Plain(bright(), "predict", 512)) == NOTHING


def test_a_view_that_is_no_smaller_is_not_tried(bright):
    model = Plain(bright(), "predict", 300)
    model.traits = replace(model.traits, longer_side_px=512)
    Session(model, Volume(DATA)).click((1, 200, 200))
    assert model.failed == 1
    assert saving_of(model).view_px == 256


def test_other_errors_are_not_taken_for_it(bright):
    for model in (
        Plain(bright(), "predict", 10, RuntimeError("shape mismatch")),
        Tight(bright(), "predict", ALL[-1], RuntimeError("shape mismatch")),
    ):
        with pytest.raises(RuntimeError, match="shape mismatch"):
            Session(model, Volume(DATA)).click((1, 200, 200))
        assert saving_of(model) == NOTHING


def test_what_was_prepared_before_goes_with_each_step(bright):
    model = Tight(bright(), "none", Saving(half=True))
    session = Session(model, Volume(DATA))
    session.click((1, 200, 200))
    assert session.cache.nbytes
    kept = session.cache.nbytes
    model.stage = "predict"
    session.click((2, 200, 200))
    assert session.cache.nbytes == kept  # of the second plane alone

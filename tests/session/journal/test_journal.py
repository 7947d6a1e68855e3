"""Journals: written as things are done, read for ever, and enough to do them again."""

import errno
import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from napari_intseg import Box, Lasso, Plane, Scribble, Session, Volume
from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import ZoomIn
from napari_intseg.errors import FileError, JournalError
from napari_intseg.inference.intensity import Window
from napari_intseg.io.output_files import as_json
from napari_intseg.models.model_table import ModelIdentity, identity_of
from napari_intseg.models.registry import load_model
from napari_intseg.propagation.walk import WalkSettings
from napari_intseg.session.journal import file as journal_disk
from napari_intseg.session.journal import file as journal_file
from napari_intseg.session.journal.codec import decode, encode
from napari_intseg.session.journal.file import (
    THREAD,
    JournalFile,
    find_unfinished,
    image_signature,
    is_same_image,
    new_path,
    prune,
)
from napari_intseg.session.journal.recorder import VERSION, parse_journal, read_journal, recorded
from napari_intseg.session.journal.replayer import about_labels, note_labels, replay, save_beside
from napari_intseg.session.predictor import run

FIRST = Path(__file__).with_name("journal_version_1.jsonl")
DATA = (np.random.default_rng(0).random((6, 30, 32)) > 0.5).astype(np.uint8) * 255


def texts(session):
    return [json.dumps(line) for line in session.journal.lines]


def again(session, bright):
    written = parse_journal(texts(session))
    return replay(written, lambda _: Volume(DATA), lambda _: bright(kinds=KINDS))


KINDS = ("click", "mask", "box", "scribble")


@pytest.fixture
def session(bright):
    return Session(bright(kinds=KINDS), Volume(DATA))


def everything(session):
    """Do one of each kind."""
    session.click((2, 10, 10))
    session.click((2, 14, 3), positive=False)
    session.set_box(Box(2, 2, 9, 9), Plane(0, 4))
    session.add_scribble(Scribble(((3.0, 3.0), (4.0, 8.0))), Plane(1, 5))
    session.add_lasso(Lasso(((2.0, 3.0), (4.0, 20.0), (5.0, 9.0))), Plane(1, 6))
    session.new_object()
    session.click((2, 20, 20))
    session.axis = 1
    session.click((3, 12, 12))
    session.move_click(0, (2, 20, 21))
    session.undo()
    session.redo()
    session.axis = 0
    session.propagate(range(1, 5))
    session.undo(object=1)
    session.window = (0, 200)
    session.set_initial_mask(np.indices(DATA.shape)[1] > 25)
    session.paint({Plane(0, 2): np.indices((30, 32))[0] < 4}, 1)
    session.protect(region=np.indices((30, 32))[1] < 20, policy="overwrite")
    session.click((1, 5, 5))
    session.finish_object()
    session.select_object(1)
    session.click((0, 6, 6))
    session.remove_click(-1)
    session.begin_with({Plane(0, 5): np.indices((30, 32))[1] > 20}, token="found")
    session.begin_with({Plane(0, 5): np.indices((30, 32))[1] < 6}, token="found")


def test_every_kind_of_action_is_done_again_exactly(session, bright):
    everything(session)
    note_labels(session)
    replayed = again(session, bright)
    np.testing.assert_array_equal(replayed.sessions[0].labels, session.labels)
    assert replayed.differences == ()
    assert replayed.sessions[0].labels.any()


def test_a_replayed_session_goes_on_like_the_first(session, bright):
    everything(session)
    other = again(session, bright).sessions[0]
    while session.undo() is not None:
        assert other.undo() is not None
        np.testing.assert_array_equal(other.labels, session.labels)
    assert other.undo() is None


@pytest.mark.parametrize("about", ["the window", "another object"])
def test_an_answer_that_came_late_is_noted_where_undo_puts_it_in_place(session, bright, about):
    plane, at = Plane(0, 2), np.argwhere(DATA[2])[40]
    session.new_object()
    session.give({Plane(0, 4): Prompts((Click(3, 3, positive=True),))})
    session.select_object(1)
    session.give({plane: Prompts((Click(*at, positive=True),))})
    late = run(session.request(plane))
    if about == "the window":
        session.change_setup(window=(0, 20))
    else:
        session.select_object(2)
        session.give({Plane(0, 4): Prompts()})
        session.select_object(1)
        session.give({plane: Prompts()})
    assert not session.accept(late)
    if about == "another object":
        session.undo()
    change = session.undo()
    assert session.labels[plane.index][tuple(at)] == 1
    assert (1 in change.objects) == (plane in change.planes)
    np.testing.assert_array_equal(again(session, bright).sessions[0].labels, session.labels)


def test_what_came_out_differently_is_told(session, bright):
    session.click((2, *np.argwhere(DATA[2])[40]))
    note_labels(session)
    lines = texts(session)
    other = Volume(255 - DATA)
    replayed = replay(parse_journal(lines), lambda _: other, lambda _: bright(kinds=KINDS))
    assert any("object 1" in told for told in replayed.differences)


def test_an_answer_that_came_too_late_is_brought_back_by_redo_in_the_replay(session, bright):
    plane = Plane(0, 2)
    session.set_prompts(plane, Prompts((Click(10, 10),)))
    result = run(session.request(plane))
    session.undo()
    session.accept(result)
    session.redo()
    assert session.labels.any()
    np.testing.assert_array_equal(again(session, bright).sessions[0].labels, session.labels)


def test_only_the_outermost_action_is_written_down_unless_it_fails(session):
    class Twice(Session):
        @recorded
        def click_twice(self, fails: bool) -> None:
            self.new_object()
            self.new_object()
            if fails:
                raise ValueError("stop")

    twice = Twice(session.model, session.volume)
    twice.click_twice(fails=False)
    assert [line["do"] for line in twice.journal.lines[2:]] == ["click_twice"]
    with pytest.raises(ValueError, match="stop"):
        twice.click_twice(fails=True)
    done = [line["do"] for line in twice.journal.lines[3:]]
    assert done == ["new_object", "new_object"]


def test_version_1_is_read_for_ever(bright):
    written = read_journal(FIRST)
    assert written.header["version"] == 1
    replayed = replay(written, lambda _: Volume(DATA), lambda _: bright(kinds=KINDS))
    assert replayed.differences == ()
    assert replayed.sessions[0].labels.any()


def test_what_was_done_before_views_were_denoised_is_done_as_then(bright):
    replayed = replay(read_journal(FIRST), lambda _: Volume(DATA), lambda _: bright(kinds=KINDS))
    setup = replayed.sessions[0].setup
    assert (setup.denoise, setup.look_again, setup.obey) == (False, False, False)
    assert (setup.narrower, setup.partial, setup.cascade, setup.coarser) == (False,) * 4
    deep = replay(
        read_journal(FIRST), lambda _: Volume(DATA.astype(np.int16)), lambda _: bright(kinds=KINDS)
    )
    begin = deep.sessions[0].recorder.journal.lines[1]
    assert begin["setup"]["window"] == "percentile"


def test_whether_views_are_denoised_is_written_down(bright):
    session = Session(bright(kinds=KINDS), Volume(DATA), denoise=False)
    session.click((2, 10, 10))
    assert session.setup.seen()["denoise"] is False
    replayed = again(session, bright)
    assert replayed.differences == ()
    setup = replayed.sessions[0].setup
    assert (setup.denoise, setup.look_again, setup.obey) == (False, True, True)
    assert (setup.narrower, setup.partial, setup.cascade, setup.coarser) == (True,) * 4


def test_what_was_done_before_first_clicks_had_narrower_views_is_done_as_then(bright):
    session = Session(bright(kinds=KINDS), Volume(DATA))
    session.click((2, 10, 10))
    lines = [json.loads(text) for text in texts(session)]
    del lines[1]["setup"]["narrower"], lines[1]["setup"]["partial"]
    written = parse_journal([json.dumps(line) for line in lines])
    replayed = replay(written, lambda _: Volume(DATA), lambda _: bright(kinds=KINDS))
    setup = replayed.sessions[0].setup
    assert (setup.denoise, setup.obey, setup.cascade) == (True, True, True)
    assert (setup.narrower, setup.partial) == (False, False)


def test_what_was_done_before_answers_were_refined_is_done_as_then(bright):
    session = Session(bright(kinds=KINDS), Volume(DATA))
    session.click((2, 10, 10))
    lines = [json.loads(text) for text in texts(session)]
    assert lines[1]["setup"].pop("cascade") is True
    written = parse_journal([json.dumps(line) for line in lines])
    replayed = replay(written, lambda _: Volume(DATA), lambda _: bright(kinds=KINDS))
    assert replayed.sessions[0].setup.cascade is False


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, 2.5, "text", float("inf"), (1, (2, "x")), range(2, 9),
        Plane(1, 4), Box(0, 1, 2, 3.5), Scribble(((1.0, 2.0),), False), Window(40, 400),
        ZoomIn(skip_clicks=2), WalkSettings(), {Plane(0, 1): (1, 2)}, frozenset({3, 1}),
        ModelIdentity("x").name,
    ],
)  # fmt: skip
def test_values_come_back_as_they_were(value):
    assert decode(json.loads(json.dumps(encode(value), allow_nan=False))) == value


@pytest.mark.parametrize("shape", [(0, 3), (4, 5), (2, 3, 4)])
def test_arrays_come_back_as_they_were(shape, rng):
    for array in (rng.random(shape) > 0.5, rng.integers(0, 9, shape), rng.random(shape)):
        back = decode(json.loads(json.dumps(encode(array))))
        np.testing.assert_array_equal(back, array)
        assert back.dtype == array.dtype


def test_what_cannot_be_written_is_told_and_the_action_succeeds(session, bright):
    class Odd(Session):
        @recorded
        def odd(self, what: object) -> None:
            del what

    odd = Odd(session.model, session.volume)
    odd.odd(object())
    with pytest.raises(JournalError, match="journal has a gap"):
        again(odd, bright)
    with pytest.raises(JournalError, match="values that the journal knows"):
        encode(object())
    with pytest.raises(JournalError, match="array of numbers"):
        encode(np.array(["a"]))


def test_models_are_known_by_name_weights_and_how_they_run():
    model = load_model("bundled", device="cpu", precision="float32")
    found = identity_of(model)
    assert (found.name, found.device, found.precision) == ("bundled", "cpu", "float32")
    assert len(found.sha256) == 64
    assert decode(encode(model), lambda identity: identity) == found


def test_images_are_recognised_by_their_content():
    one, same = image_signature(Volume(DATA)), image_signature(Volume(DATA.copy()))
    other = image_signature(Volume(255 - DATA))
    assert is_same_image(one, same)
    assert not is_same_image(one, other)
    assert is_same_image(one, image_signature(Volume(DATA, spacing=(2.0, 1.0, 1.0))))


def test_a_line_torn_at_the_end_is_left_out(session):
    session.click((2, 10, 10))
    whole = "".join(f"{as_json(line)}\n" for line in session.journal.lines)
    count = len(session.journal.journal)
    for cut in range(1, 60, 7):
        written = parse_journal(whole[:-cut].splitlines())
        assert len(written.actions) + written.torn == count


def test_damage_in_the_middle_is_told(session):
    session.click((2, 10, 10))
    lines = texts(session)
    with pytest.raises(JournalError, match="expected an action on line 2"):
        parse_journal([lines[0], "{rubbish", *lines[2:]])
    with pytest.raises(JournalError, match="file is no journal"):
        parse_journal(["hello"])
    with pytest.raises(JournalError, match="another version"):
        parse_journal([json.dumps({"journal": "napari-intseg", "version": VERSION + 1})])
    with pytest.raises(JournalError, match="expected 'begin' for time 0"):
        replay(parse_journal([lines[0], *lines[2:]]), lambda _: Volume(DATA), lambda _: None)


def test_unknown_actions_and_models_are_told(session, bright):
    head = texts(session)
    for name in ("fly", "labels_on", "__init__"):
        line = json.dumps({"do": name, "object": 1, "args": {}})
        with pytest.raises(JournalError, match="action is unknown"):
            replay(parse_journal([*head, line]), lambda _: Volume(DATA), lambda _: bright())
    with pytest.raises(JournalError, match="damaged value"):
        decode(encode(session.model))
    line = json.dumps({"do": "new_object", "object": 1, "args": {"label": 1}})
    with pytest.raises(JournalError, match="line 3 cannot be done again"):
        replay(parse_journal([*head, line]), lambda _: Volume(DATA), lambda _: bright())


def test_what_is_said_of_labels_counts_objects_and_no_background():
    assert about_labels(np.array([[0, 0, 2], [2, 0, 7]], np.int32))["voxels"] == {"2": 2, "7": 1}


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_lead_to_an_error_of_ours_or_a_replay(seed, bright):
    rng = np.random.default_rng(seed)
    content = bytearray(FIRST.read_bytes())
    for _ in range(int(rng.integers(1, 6))):
        content[int(rng.integers(len(content)))] = int(rng.integers(256))
    lines = content.decode("utf-8", errors="replace").splitlines()
    told = ": expected "
    try:
        replay(parse_journal(lines), lambda _: Volume(DATA), lambda _: bright(kinds=KINDS))
    except JournalError as err:
        told = str(err)
    assert ": expected " in told


def test_a_file_is_there_line_by_line_and_its_lock_goes_with_it(session, tmp_path):
    signature = image_signature(session.volume)
    session.journal.journal.describe(image=signature)
    path = new_path(tmp_path / "new folder", signature)
    file = JournalFile(path, pytest.fail)
    session.journal.journal.attach(file)
    assert not path.exists()  # nothing was done yet
    session.click((2, 10, 10))
    assert read_journal(path).lines == json.loads(json.dumps(session.journal.lines))
    assert find_unfinished(path.parent, signature) == []  # this process holds it
    file.close()
    ((found, written),) = find_unfinished(path.parent, signature)
    assert (found, written.count) == (path, 1)
    prune(path.parent, keep=0)
    assert path.exists()  # work that did not end well is not removed


@pytest.fixture
def saved(session, tmp_path):
    """A session whose journal is saved, and what the file tells of trouble."""
    told = []
    signature = image_signature(session.volume)
    file = JournalFile(new_path(tmp_path / "journals", signature), told.append, patience_s=0.05)
    session.journal.journal.attach(file)
    session.click((2, 10, 10))
    yield session, file, told
    file.close()
    assert not [t for t in threading.enumerate() if t.name.startswith(THREAD)]


def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def test_a_line_is_forced_to_the_disk_elsewhere_while_others_are_written(saved, monkeypatch):
    session, file, _ = saved
    forced, go, threads = threading.Event(), threading.Event(), []

    def slow(_file):
        threads.append(threading.current_thread().name)
        forced.set()
        assert go.wait(240)

    until(lambda: not file._power._is_busy)  # what the first line began
    monkeypatch.setattr(journal_disk.os, "fsync", slow)
    session.finish_object(1)  # is forced at once
    assert forced.wait(240)
    session.new_object()
    for i in range(10):
        session.click((3, i, i))
        until(lambda: not file.is_behind)
        assert read_journal(file.path).lines == json.loads(json.dumps(session.journal.lines))
    go.set()
    file.close()
    assert set(threads) == {f"{THREAD} to disk"}


def test_a_disk_that_does_not_answer_is_waited_for_once(saved, monkeypatch):
    session, file, told = saved
    go, write, waited = threading.Event(), os.write, []

    def slow(to, content):
        assert go.wait(240)
        return write(to, content)

    wait_for = file._change.wait_for

    def noted(condition, timeout=None):
        if threading.current_thread() is threading.main_thread():
            waited.append(timeout)
        return wait_for(condition, timeout)

    monkeypatch.setattr(journal_disk.os, "write", slow)
    monkeypatch.setattr(file._change, "wait_for", noted)
    for i in range(5):
        session.click((3, i, i))
    assert waited == [0.05]
    assert file.is_behind
    assert session.mask.any()
    go.set()
    until(lambda: not file.is_behind)
    session.click((4, 1, 1))
    until(lambda: not file.is_behind)
    assert len(waited) > 1  # it has caught up, and is waited for again
    assert read_journal(file.path).lines == json.loads(json.dumps(session.journal.lines))
    assert told == []


def test_a_folder_that_is_taken_away_is_told_and_everything_is_written_when_it_can_be(
    saved, monkeypatch
):
    session, file, told = saved
    monkeypatch.setattr(journal_file, "_RETRY_S", 0.05)
    folder = file.path.parent
    shutil.rmtree(folder)
    folder.write_text("in the way")
    session.click((3, 3, 3))
    until(lambda: told)
    assert "work cannot be saved" in told[0]
    assert str(folder) in file.trouble
    session.click((3, 5, 5))
    folder.unlink()
    until(lambda: file.trouble is None)
    until(lambda: not file.is_behind)
    assert read_journal(file.path).lines == json.loads(json.dumps(session.journal.lines))
    assert len(told) == 1


def test_a_disk_that_loses_what_it_was_given_is_told_and_asked_again(saved, monkeypatch):
    session, file, told = saved
    fsync, calls = os.fsync, []

    def failing(to):
        calls.append(to)
        if len(calls) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(to)

    until(lambda: not file._power._is_busy)
    monkeypatch.setattr(journal_file, "_RETRY_S", 0.05)
    monkeypatch.setattr(journal_disk.os, "fsync", failing)
    session.finish_object(1)
    until(lambda: calls)
    session.new_object()
    until(lambda: told)
    until(lambda: file.trouble is None)
    file.close()
    assert len(calls) > 1
    assert read_journal(file.path).lines == json.loads(json.dumps(session.journal.lines))


def test_the_name_of_a_journal_tells_nothing_of_the_image_s_file(tmp_path, session):
    path = save_beside(session, tmp_path / "labels.tif")
    assert path.name == "labels.tif.journal.jsonl"
    assert str(tmp_path) not in path.read_text()


def test_a_journal_that_cannot_be_saved_is_told(tmp_path, session):
    with pytest.raises(FileError, match="journal cannot be written"):
        save_beside(session, tmp_path / "missing" / "labels.tif")
    with pytest.raises(FileError, match="journal cannot be read"):
        read_journal(tmp_path / "missing.journal.jsonl")
    path = save_beside(session, tmp_path / "labels.tif")
    assert list(tmp_path.iterdir()) == [path]

import sys
from dataclasses import asdict
from types import ModuleType

import pytest

from napari_intseg.training import loop
from napari_intseg.training.loop import HeldOutScores, Log, measurements, read_log

MEASURED = {"noc85": 2.5, "noc90": 4.0, "iou1": 0.8, "iou3": 0.9, "iou5": 0.92}


def write(output, step=0):
    one = Log(output, step)
    for number in range(step + 1, 4):
        one.write(number, {"loss": 1 / number})
    one.write(3, MEASURED)
    one.close()


def test_rows_are_read_back_with_what_was_measured(tmp_path):
    assert read_log(tmp_path) == []
    write(tmp_path)
    rows = read_log(tmp_path)
    assert [row["step"] for row in rows] == ["1", "2", "3", "3"]
    assert [row["loss"] for row in rows] == ["1", "0.5", "0.333333", ""]
    assert measurements(tmp_path) == {3: HeldOutScores(2.5, 4.0, 0.8, 0.9, 0.92)}


def test_a_run_that_goes_on_forgets_what_it_will_do_again(tmp_path):
    write(tmp_path)
    Log(tmp_path, 2).close()
    assert [row["step"] for row in read_log(tmp_path)] == ["1", "2"]
    assert measurements(tmp_path) == {}


def test_noisy_copies_are_read_back_and_may_be_missing(tmp_path):
    one = Log(tmp_path)
    plain, noisy = (
        HeldOutScores(2.5, 4, 0.8, 0.9, 0.92),
        HeldOutScores(2.5, 4, 0.8, 0.9, 0.92, 5, 6.5),
    )
    for step, scores in ((1, plain), (2, noisy)):  # a log holds the means, not each object
        one.write(step, {name: value for name, value in asdict(scores).items() if name != "each"})
    one.close()
    found = measurements(tmp_path)
    assert found[1].noisy85 is None
    assert (found[2].noisy85, found[2].noisy90) == (5, 6.5)


def test_a_log_from_before_there_were_noisy_copies_is_read(tmp_path):
    (tmp_path / "log.csv").write_text("step,noc85,noc90,iou1,iou3,iou5\n4,2,3,.7,.8,.9\n")
    assert measurements(tmp_path) == {4: HeldOutScores(2, 3, 0.7, 0.8, 0.9)}


def test_clicks_on_noisy_copies_count_a_third():
    clean, both = HeldOutScores(2, 3, 0, 0.5, 0), HeldOutScores(2, 3, 0, 0.5, 0, 6, 8)
    assert clean.rank == (5, -0.5)
    assert both.rank == (8, -0.5)


class Writer:
    """Writes down what TensorBoard's own writer is told."""

    def __init__(self, folder, purge_step=None):
        self.told = [("begin", folder, purge_step)]
        BOARDS.append(self.told)

    def add_scalar(self, name, value, step):
        self.told.append((name, value, step))

    def close(self):
        self.told.append("end")


BOARDS: list[list[object]] = []


def test_tensorboard_gets_the_same_numbers_where_it_is_installed(tmp_path, monkeypatch):
    BOARDS.clear()
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(loop, "find_spec", lambda name: name == "tensorboard")
    write(tmp_path)
    write(tmp_path, 2)
    first, second = BOARDS
    assert first[:2] == [("begin", str(tmp_path / "tensorboard"), None), ("loss", 1.0, 1)]
    assert first[-2:] == [("iou5", 0.92, 3), "end"]
    assert second[0] == ("begin", str(tmp_path / "tensorboard"), 2)


def test_without_tensorboard_the_file_is_all(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "find_spec", lambda _: None)
    write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_tensorboard_reads_what_was_written(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write(tmp_path)
    found = events.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in found.Scalars("loss")] == [1, 2, 3]

"""Journals that earlier versions wrote are replayed to the same labels, voxel by voxel."""

from pathlib import Path

import pytest

from napari_intseg.session.journal.recorder import read_journal
from napari_intseg.session.journal.replayer import labels_checksum, replay
from napari_intseg.session.session import Session
from recorded_sessions import SCENARIOS, Toy, image

FOLDER = Path(__file__).parents[2] / "data" / "journals"


def again(name):
    written = read_journal(FOLDER / f"{name}.jsonl")
    return written, replay(written, lambda _: image(SCENARIOS[name][0]), lambda _: Toy())


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_old_journal_is_replayed_to_the_same_labels(name):
    written, replayed = again(name)
    assert replayed.differences == ()
    told = [line["sha256"] for line in written.actions if line["do"] == "labels"]
    assert told == [labels_checksum(replayed.sessions[0].labels)]
    assert replayed.sessions[0].labels.any()


def test_every_recorded_action_is_in_one_of_them():
    used = {
        line["do"] for name in SCENARIOS for line in read_journal(FOLDER / f"{name}.jsonl").actions
    }
    names = {n for n, one in vars(Session).items() if getattr(one, "is_recorded", False)}
    assert names, "there are some"
    assert names <= used


def test_a_difference_is_told():
    written = read_journal(FOLDER / "flat.jsonl")
    replayed = replay(written, lambda _: image("flat", time=1), lambda _: Toy())
    assert replayed.differences

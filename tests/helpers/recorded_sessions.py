"""A set of sessions that use every recorded action, for comparing masks before and after a change.

``python tests/helpers/recorded_sessions.py MODEL ...`` prints a hash of the labels of each session.
With ``--write FOLDER`` the journals of the sessions are written as well; those in
``tests/data/journals`` were written with the toy model, and are replayed by
``tests/session/journal/test_old_journals.py``.
"""

import argparse
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from napari_intseg import Box, Click, Plane, Scribble, Session, Volume, load_model
from napari_intseg.core.prompts import Prompts
from napari_intseg.core.segmenter import Answer, FloatArray, Prepared, Query, Segmenter, Traits
from napari_intseg.propagation.walk import WalkSettings
from napari_intseg.session.compare.side_by_side import MirrorSession, SideBySide
from napari_intseg.session.journal.replayer import note_labels
from napari_intseg.session.tracking import tracking_request

HERE = Path(__file__).parents[1] / "data" / "journals"


class Toy:
    """Bright parts under positive clicks and scribbles, less discs round negative ones.

    It computes with comparisons alone, so its masks are the same on every machine.
    """

    def __init__(self) -> None:
        kinds = frozenset({"click", "mask", "box", "scribble"})
        self.traits = Traits("toy", kinds, uses_prev=True)  # type: ignore[arg-type]

    def prepare(self, image: FloatArray) -> Prepared:
        return Prepared(image.shape[:2], image.mean(axis=2) > 0.5, image.nbytes)

    def predict(self, query: Query) -> Answer:
        parts, _ = ndimage.label(query.prepared.payload)
        rows, cols = np.indices(parts.shape)
        mask = np.zeros(parts.shape, bool)
        if query.prev_logits is not None:
            mask |= (query.prev_logits > 0) & (parts > 0)
        prompts = query.prompts
        if prompts.box is not None:
            box = prompts.box
            mask |= (
                (rows >= box.row0) & (rows <= box.row1) & (cols >= box.col0) & (cols <= box.col1)
            )
        for scribble in prompts.scribbles:
            for row, col in scribble.points:
                mask |= (parts == parts[round(row), round(col)]) & (parts > 0)
        for click in prompts.clicks:
            near = (rows - click.row) ** 2 + (cols - click.col) ** 2 <= 9
            part = parts[round(click.row), round(click.col)]
            mask = mask | ((parts == part) & (part > 0)) | near if click.positive else mask & ~near
        other = ndimage.binary_dilation(mask)
        logits = [np.where(m, np.float32(4), np.float32(-4)) for m in (mask, other)]
        return Answer(logits[0], alternatives=tuple(logits), scores=(0.9, 0.8))


def image(name: str, time: int = 0) -> Volume:
    """Return the image of a session; integers alone, the same on every machine."""
    rng = np.random.default_rng(sum(map(ord, name)) + time)
    shape = (48, 56) if name in ("flat", "rgb") else (14, 40, 48)
    data = rng.integers(0, 40, shape)
    grid = np.indices(shape)
    middle = np.array(shape) // 2
    for shift, radius in ((-12, 8), (10, 7)):
        centre = middle.copy()
        centre[-1] += shift + time
        scale = [2] * (len(shape) - 2) + [1, 1]
        distance = sum((s * (g - c)) ** 2 for s, g, c in zip(scale, grid, centre, strict=True))
        data[distance <= radius**2] = 200 + shift
    if name == "rgb":
        return Volume(np.stack([data, data // 2, 255 - data], -1).astype(np.uint8))
    if name == "ct":
        return Volume((data * 8 - 1000).astype(np.int16), spacing=(5.0, 0.7, 0.7))
    return Volume(data.astype(np.uint8), spacing=(2.0,) * (len(shape) - 2) + (1.0, 1.0))


def _kinds(session: Session) -> frozenset[str]:
    return session.model.traits.prompts


def _flat(session: Session) -> None:
    """Clicks in 2-D: added, moved, removed, undone, with box, scribble and another mask."""
    session.click((24, 16))
    session.click((24, 20), positive=False)
    session.click((20, 14))
    session.move_click(1, (28, 17))
    session.remove_click(0)
    session.undo()
    session.redo()
    session.undo()
    session.new_object()
    session.click((24, 38))
    if "scribble" in _kinds(session):
        session.add_scribble(Scribble(((20.0, 38.0), (28.0, 38.0)), True))
    if "box" in _kinds(session):
        session.set_box(Box(16, 30, 32, 46))
        session.set_box(None)
    if session.alternatives:
        session.choose_alternative(1)
        session.click((22, 40))
    session.finish_object(1)
    session.new_object(7)
    if "mask" in _kinds(session):
        session.set_initial_mask(np.indices((48, 56)).sum(axis=0) < 20)
        session.click((2, 30))
    session.undo(object=2)
    session.redo(object=2)
    session.reopen_object(1)
    session.remove_object(7)


def _rgb(session: Session) -> None:
    """A colour image whose channels and window change on the way."""
    session.click((24, 16))
    session.channels = (0,)
    session.click((24, 38), positive=False)
    session.window = (10.0, 220.0)
    session.new_object()
    session.click((24, 38))
    session.give({Plane(0, 0): Prompts((Click(24, 38), Click(20, 36)))}, "Two at once")
    session.predict(Plane(0, 0))
    session.channels = None


def _ct(session: Session) -> None:
    """A CT volume: propagation, a correction, propagation again, clean-up, planes of two axes."""
    session.window = (-500.0, 700.0)
    session.click((7, 20, 12))
    session.propagate()
    session.click((5, 20, 14), positive=False)
    session.propagate(range(2, 12), settings=WalkSettings())
    session.undo()
    session.redo()
    session.clean_up(holes=True, largest=True, smooth_mm=2.0)
    session.axis = 1
    session.click((7, 20, 12))
    session.axis = 0
    session.new_object()
    session.click((7, 20, 34))
    session.propagate(settings=WalkSettings(method="neighbour"))
    session.propagate(range(3, 9))


def _painting(session: Session) -> None:
    """Brush and eraser, locks, regions and overlaps."""
    shape = session.volume.slice_shape(0)
    rows, cols = np.indices(shape)
    session.click((7, 20, 12))
    session.paint({Plane(0, 7): (rows < 10) & (cols < 10), Plane(0, 8): rows == 20}, 1)
    session.paint({Plane(0, 7): (rows > 18) & (cols < 14)}, 0)
    session.paint({Plane(2, 12): np.indices(session.volume.slice_shape(2))[0] == 6}, 5)
    session.lock_object(1)
    session.new_object(2)
    session.protect(policy="overwrite")
    session.click((7, 20, 34))
    session.click((7, 20, 14))
    session.unlock_object(1)
    session.click((7, 18, 16))
    session.protect(policy="ask")
    session.select_object(1)
    session.click((7, 22, 34))
    session.take_over(Plane(0, 7))
    session.protect(region=cols < 30, inside=None)
    session.click((6, 20, 12))
    session.clear_painted(5)
    session.protect(region=None)
    session.undo()
    session.undo()
    session.redo()
    session.propagate()


def _many(session: Session) -> None:
    """Objects found from one, and all of them carried through the volume."""
    session.click((7, 20, 12))
    session.find_alike(Plane(0, 7))
    session.propagate_all()
    session.undo()
    session.propagate_all(range(3, 12))
    session.begin_with({Plane(0, 2): np.eye(40, 48, dtype=bool)}, 9, token="one")
    session.remove_object(1)


def _regroup(session: Session) -> None:
    """Objects put together, divided and given other numbers."""
    session.click((7, 20, 12))
    session.new_object()
    session.click((7, 20, 34))
    session.propagate(range(4, 11))
    session.paint({Plane(0, 7): np.eye(40, 48, dtype=bool)}, 1)
    session.merge_objects([1, 2])
    session.split_object((7, 20, 12), (7, 20, 34), new=5)
    session.relabel_object(1, 8)
    session.undo()
    session.redo()
    session.set_detail(6.0, (Plane(0, 7),), token="slider")
    session.set_detail(4.0, token="slider")
    session.select_object(5)
    session.click((7, 16, 34), positive=False)


def _linked(session: Session) -> None:
    """Objects that exchange their numbers, as linking through time has them."""
    session.click((7, 20, 12))
    session.new_object()
    session.click((7, 20, 34))
    session.propagate(range(5, 10))
    session.renumber_objects({1: 2, 2: 1})
    session.click((7, 16, 34), positive=False)
    session.renumber_objects({1: 7})


def _shared(session: Session) -> None:
    """Objects that meet, and hear of each other's clicks."""
    session.click((24, 20))
    session.new_object()
    session.click((24, 34))
    session.share_corrections()
    session.undo()
    session.click((20, 36))
    session.share_corrections()
    session.predict(Plane(0, 0))


SCENARIOS: dict[str, tuple[str, Callable[[Session], None]]] = {
    "flat": ("flat", _flat),
    "rgb": ("rgb", _rgb),
    "ct": ("ct", _ct),
    "painting": ("volume", _painting),
    "many": ("volume", _many),
    "regroup": ("volume", _regroup),
    "linked": ("volume", _linked),
    "shared": ("flat", _shared),
}
"""By name: the image, and what is done."""


def run_scenario(name: str, model: Segmenter) -> Session:
    """Return the session of a scenario as it is at the end."""
    picture, act = SCENARIOS[name]
    session = Session(model, image(picture))
    act(session)
    return session


def follow_through_time(model: Segmenter, name: str) -> dict[int, Session]:
    """Return the sessions of a time series after an object was followed through it."""
    sessions = {time: Session(model, image(name, time)) for time in range(3)}
    where = (24, 16) if name == "flat" else (7, 20, 12)
    sessions[0].click(where)
    for one in tracking_request(sessions, sessions[0], 1, 3, lambda time: image(name, time)):
        for plane, step in one.steps():
            sessions[step.plane.index].accept_followed(1, plane, step, token="all")
    moved = (24, 18) if name == "flat" else (7, 20, 14)
    sessions[2].click(moved, positive=False)
    sessions[1].undo()
    sessions[1].redo()
    return sessions


def compare_two(model: Segmenter) -> dict[str, Any]:
    """Return the labels of a second model that follows a session, and of two side by side."""
    volume = image("volume")
    session, mirror = Session(model, volume), MirrorSession(load_model("region-growing"), volume)
    session.click((7, 20, 12))
    session.click((7, 14, 20), positive=False)
    session.paint({Plane(0, 7): np.eye(40, 48, dtype=bool)}, 1)
    session.propagate(range(5, 10))
    session.click((8, 20, 12))
    session.new_object()
    session.click((7, 20, 34))
    session.finish_object(1)
    for label in session.objects:
        mirror.follow_strokes(session, label)
        for plane, _ in session.document.canvas.states(label):
            mirror.follow(session, label, plane)
            mirror.session.predict(plane)
            if label == 2:
                mirror.session.propagate(range(4, 9))
    both = SideBySide.of({"a": model, "b": load_model("region-growing")}, volume)
    both.click((7, 20, 12))
    both.propagate(range(5, 10))
    return {
        "mirror": mirror.session.labels,
        "a": both.sessions["a"].mask,
        "b": both.sessions["b"].mask,
    }


def hash_of(array: np.ndarray) -> str:
    """Return a short hash of an array."""
    return hashlib.sha256(np.ascontiguousarray(array, "<i4").tobytes()).hexdigest()[:16]


def hashes(name: str) -> dict[str, str]:
    """Return the hashes of every session with a model: of labels, and of probabilities."""
    found = {}
    for scenario in SCENARIOS:
        session = run_scenario(scenario, Toy() if name == "toy" else load_model(name))
        found[scenario] = hash_of(session.labels)
        found[f"{scenario} probability"] = hash_of((session.probability * 1e4).round())
        found[f"{scenario} voxels"] = str(int((session.labels > 0).sum()))
        while session.can_undo:
            session.undo()
        while session.can_redo:
            session.redo()
        found[f"{scenario} undone, redone"] = hash_of(session.labels)
    model = Toy() if name == "toy" else load_model(name)
    for series in ("flat", "volume"):
        for time, one in follow_through_time(model, series).items():
            found[f"{series} series {time}"] = hash_of(one.labels)
    found |= {f"compare {key}": hash_of(array) for key, array in compare_two(model).items()}
    return found


def main() -> None:
    """Print hashes, and write journals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    print(json.dumps({name: hashes(name) for name in args.models}, indent=1, sort_keys=True))  # noqa: T201 - a script
    if args.write is not None:
        args.write.mkdir(parents=True, exist_ok=True)
        for name in SCENARIOS:
            session = run_scenario(name, Toy())
            note_labels(session)
            lines = session.journal.lines
            text = "\n".join(json.dumps(line, separators=(",", ":")) for line in lines)
            (args.write / f"{name}.jsonl").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

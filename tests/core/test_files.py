"""At a path is the old whole or the new whole, also after a kill and where nothing is exchanged."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_intseg.core import files


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not str(path.relative_to(folder)).startswith(".intseg-")
    }


def fill(folder: Path, names: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in names.items():
        (folder / name).write_text(text)


@pytest.fixture(params=[True, False], ids=["exchange", "no exchange"])
def exchanging(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(files, "exchange", lambda *_: False)
    return request.param


def test_a_file_is_written_whole_and_nothing_is_left(tmp_path):
    path = tmp_path / "a.json"
    files.write_text(path, "old\n")
    files.write_text(path, "µ\n")
    assert path.read_bytes() == "µ\n".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    files.write_text(path, "old")

    def full(_self, _content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
def test_permissions_stay_and_what_is_write_protected_is_not_replaced(tmp_path):
    path = tmp_path / "a.json"
    files.write_text(path, "old")
    path.chmod(0o660)
    files.write_text(path, "new")
    assert path.stat().st_mode & 0o777 == 0o660
    path.chmod(0o440)
    with files.hidden_folder(tmp_path) as parts:
        (parts / "a.json").write_text("newer")
        for replace in (
            lambda: files.put(parts / "a.json", path),
            lambda: files.put_all(parts, tmp_path),
            lambda: files.put_series(parts, tmp_path, ["a.json"], []),
        ):
            with pytest.raises(PermissionError, match="write-protected"):
                replace()
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.usefixtures("exchanging")
def test_a_folder_takes_the_place_of_another(tmp_path):
    target = tmp_path / "a.zarr"
    fill(target, {"old": "1", "both": "1"})
    with files.hidden_folder(tmp_path) as folder:
        fill(folder / "made", {"new": "2", "both": "2"})
        files.put(folder / "made", target)
    assert tree(target) == {"new": "2", "both": "2"}
    files.tidy(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.usefixtures("exchanging")
@pytest.mark.parametrize("beside", [{}, {"image.tif": "mine"}])
def test_a_series_takes_the_place_of_a_longer_one(tmp_path, beside):
    folder = tmp_path / "series"
    fill(folder, {f"s_{i}": "old" for i in range(5)} | {"s_journal": "kept"} | beside)
    with files.hidden_folder(folder) as parts:
        fill(parts, {f"s_{i}": "new" for i in range(3)})
        files.put_series(parts, folder, [f"s_{i}" for i in range(5)], ["s_journal"])
    assert tree(folder) == {f"s_{i}": "new" for i in range(3)} | {"s_journal": "kept"} | beside
    assert not [p for p in tmp_path.rglob(".intseg-*") if p.exists()]


KILLED = """
import os, sys
from pathlib import Path
from napari_intseg.core import files
folder, die, names, swap = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(), sys.argv[4]
count = 0
def dying(real):
    def act(*args, **kwargs):
        global count
        count += 1
        if count > die:
            os.kill(os.getpid(), 9)
        return real(*args, **kwargs)
    return act
if swap == "no":
    files.exchange = lambda *_: False
with files.hidden_folder(folder) as parts:
    for name in names:
        (parts / name).write_text("new")
    for name in ("replace", "rename", "unlink", "link", "rmdir"):
        setattr(os, name, dying(getattr(os, name)))
    files.exchange = dying(files.exchange)
    files.put_series(parts, folder, [f"s_{i}" for i in range(4)], [])
print(count)
"""


@pytest.mark.skipif(os.name != "posix", reason="no kill -9")
@pytest.mark.parametrize(("beside", "swap"), [({}, "yes"), ({}, "no"), ({"image": "x"}, "yes")])
def test_a_series_is_whole_whenever_the_process_is_killed(tmp_path, beside, swap):
    outcomes = set()
    for die in range(40):
        folder = tmp_path / f"{die}"
        fill(folder, {f"s_{i}": "old" for i in range(4)} | beside)
        words = [sys.executable, "-c", KILLED, str(folder), str(die), "s_0 s_1 s_2", swap]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        files.finish(folder)  # as whoever reads or writes there next does
        found = tree(folder)
        whole = [{f"s_{i}": "old" for i in range(4)}, {f"s_{i}": "new" for i in range(3)}]
        assert found in [one | beside for one in whole], (die, found)
        outcomes.add(found["s_0"])
        files.tidy(folder)
        assert not list(folder.glob(".intseg-*"))
        if ended.returncode == 0:
            break
    assert ended.returncode == 0, ended.stderr
    assert outcomes == {"old", "new"}


def test_what_a_dead_process_left_is_removed_and_what_a_living_one_writes_stays(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine = files._hidden(tmp_path)
    left = tmp_path / mine.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-")
    foreign, old = tmp_path / ".intseg-0000aaaa-1-x", tmp_path / ".intseg-old"
    for path in (left, foreign, old):
        fill(path, {"part": "x"})
    os.utime(old, (1, 1))
    os.utime(foreign, (time.time(), time.time()))
    fill(tmp_path, {"mine.intseg-x": "mine"})
    files.tidy(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {mine.name, foreign.name, "mine.intseg-x"}


def test_names_that_lead_elsewhere_are_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine")
    folder = tmp_path / "in"
    fill(folder, {"a": "old"})
    fill(folder / ".intseg-moving", {"a": "new", ".gone": "../mine\n"})
    files.finish(folder)
    assert (tmp_path / "mine").read_text() == "mine"
    assert tree(folder) == {"a": "new"}

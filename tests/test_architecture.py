"""`docs/architecture.md` speaks of what there is: files, folders, names in them, rooms."""

import re
from pathlib import Path

import pytest

from scripts import load_script

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = CHECKOUT / "src" / "napari_intseg"
PAGE = (CHECKOUT / "docs" / "architecture.md").read_text("utf-8")
PATHS = sorted(set(re.findall(r"`((?:\w+/)*\w+(?:\.py|/))`", PAGE)))
NAMED = re.findall(r"`(\w+)`(?: and `(\w+)`)? (?:in|of)\s+`((?:\w+/)*\w+\.py)`", PAGE)


def found(path: str) -> Path:
    outside = path.startswith(("src/", "docs/", "tests/", "benchmarks/"))
    return (CHECKOUT if outside else PACKAGE) / path


def rooms() -> set[str]:
    inside = [path for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"]
    return {path.stem for path in inside if not path.name.startswith("_")}


@pytest.mark.parametrize("path", PATHS)
def test_every_path_on_the_page_exists(path: str) -> None:
    assert found(path).is_dir() if path.endswith("/") else found(path).is_file()


@pytest.mark.parametrize(("name", "other", "path"), NAMED)
def test_names_stand_in_the_file_they_are_said_to_be_in(name: str, other: str, path: str) -> None:
    text = found(path).read_text("utf-8")
    for one in filter(None, (name, other)):
        assert re.search(rf"^(?:def |class )?{one}\b", text, re.M), one


def test_the_page_names_many_files_and_every_folder_of_the_package() -> None:
    assert len(PATHS) > 50
    assert len(NAMED) >= 9
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert {f"{name}/" for name in folders} <= set(PATHS)


def test_ten_sample_tasks_name_the_file_to_begin_at() -> None:
    _, after = PAGE.split("| task | begin at |\n|---|---|\n")
    rows = after.split("\n\n")[0].splitlines()
    assert len(rows) >= 10
    assert all(re.search(r"\.py`", row.split("|")[2]) for row in rows)


def test_the_picture_shows_every_room() -> None:
    # otherwise: python docs/images/make_rooms.py, after adding the room to its ROWS
    script = load_script(CHECKOUT / "docs" / "images" / "make_rooms.py")
    assert rooms() <= {box[0] for row in script.ROWS for box in row}
    drawn = (CHECKOUT / "docs" / "images" / "rooms.svg").read_text("utf-8")
    assert drawn == script.render(rooms())

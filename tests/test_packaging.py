"""The wheel in an empty environment, and what an import loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
SEGMENT = """
import numpy as np
from napari_intseg import Session, Volume, load_model

image = np.zeros((40, 40), np.float32)
image[10:30, 10:30] = 1
session = Session(load_model("random-walker"), Volume(image))
session.click((20, 20))
assert session.mask[20, 20] and not session.mask[2, 2]
"""


def run(*command: object, **options: object) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def run_python(code: str) -> str:
    return run(sys.executable, "-c", code)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, CHECKOUT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def empty(tmp_path_factory, wheel) -> Path:
    """The folder of programs of an environment with nothing but the wheel, its needs and npe2."""
    folder = tmp_path_factory.mktemp("empty")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    # what is not compiled ahead takes a third of the time to install
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install", "--no-compile")
    run(*pip, "--constraint", CHECKOUT / "constraints.txt", wheel, "npe2")
    return programs


@pytest.mark.slow
def test_the_wheel_in_an_empty_environment_is_whole(empty, tmp_path):
    there = {"cwd": tmp_path}
    assert "valid" in run(empty / "npe2", "validate", "napari-intseg", **there)
    # the environment must not borrow from ours
    where = run(empty / "python", "-c", "import napari_intseg as n; print(n.__file__)", **there)
    assert Path(where).is_relative_to(empty.parent)
    run(empty / "python", "-c", "import importlib.util as u; assert not u.find_spec('napari')")
    folder = run(
        empty / "python", "-c",
        "from napari_intseg.models.weights.locate import bundled_folder as f; print(f())", **there,
    )  # fmt: skip
    assert (Path(folder.strip()) / "SHA256SUMS").is_file()
    assert Path(folder.strip()).is_relative_to(empty.parent)


@pytest.mark.slow
def test_scripts_and_the_shell_work_in_an_empty_environment(empty, tmp_path):
    run(empty / "python", "-c", SEGMENT, cwd=tmp_path)
    # the default model too, though PyTorch is an extra
    run(empty / "python", "-c", "import importlib.util as u; assert not u.find_spec('torch')")
    run(empty / "python", "-c", SEGMENT.replace('"random-walker"', ""), cwd=tmp_path)
    image = tmp_path / "i.npy"
    run(
        empty / "python", "-c",
        "import numpy as n; a = n.zeros((40, 40), 'u1'); a[9:30, 9:30] = 200; n.save('i.npy', a)",
        cwd=tmp_path,
    )  # fmt: skip
    words = ("-o", tmp_path / "l.png", "--click", "20,20", "--model", "random-walker")
    told = run(empty / "napari-intseg", "segment", image, *words, cwd=tmp_path)
    assert "object 1: 1 click" in told


def test_the_manifest_is_found_from_this_install():
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("napari-intseg")
    assert manifest.name == "napari-intseg"
    assert manifest.contributions.widgets
    assert manifest.contributions.sample_data


def test_every_command_of_the_manifest_exists():
    from npe2 import PluginManifest
    from npe2.manifest.utils import import_python_name

    commands = PluginManifest.from_distribution("napari-intseg").contributions.commands
    assert commands
    for command in commands:
        assert callable(import_python_name(command.python_name)), command.id


def test_no_qt_binding_is_a_hard_dependency():
    from importlib.metadata import requires

    hard = [r for r in requires("napari-intseg") if "extra ==" not in r]
    assert any(r.startswith("numpy") for r in hard)
    assert not [r for r in hard if r.lower().startswith(("pyqt", "pyside", "napari"))]


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, napari_intseg\n"
        "heavy = ('torch', 'napari', 'qtpy', 'SimpleITK', 'PyQt6', 'skimage')\n"
        "print([m for m in heavy if m in sys.modules])\n"
    )
    assert run_python(code).strip() == "[]"
    assert run_python(code.replace("napari_intseg", "napari_intseg, torch")).strip() == "['torch']"


def test_the_engine_works_with_napari_and_qt_blocked():
    block = (
        "import sys\n"
        "for name in ('napari', 'qtpy', 'PyQt6', 'PyQt5', 'PySide6', 'magicgui', 'vispy'):\n"
        "    sys.modules[name] = None\n"
    )
    run_python(block + SEGMENT)
    blocked = "try:\n    import napari\nexcept ImportError:\n    print('blocked')\n"
    assert run_python(block + blocked).strip() == "blocked"

"""What importing costs, and that the engine needs neither napari nor Qt."""

import subprocess
import sys

HEAVY = (
    "torch",
    "napari",
    "qtpy",
    "PyQt6",
    "PyQt5",
    "PySide6",
    "SimpleITK",
    "skimage",
    "transformers",
)

ENGINE = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("napari", "qtpy", "PyQt6", "PySide6", "magicgui"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
try:
    import napari
except ImportError as error:
    assert "blocked" in str(error)
else:
    raise SystemExit("napari was not blocked")

import numpy as np
from napari_intseg import Session, Volume, available_models, load_model

assert "random-walker" in available_models()
data = np.zeros((9, 40, 40), np.float32)
data[2:7, 10:30, 12:28] = 1
data += np.random.default_rng(0).normal(0, 0.05, data.shape).astype(np.float32)
session = Session(load_model("random-walker"), Volume(data, spacing=(5.0, 0.7, 0.7)))
session.click((4, 20, 20))
session.propagate()
truth = np.zeros(data.shape, bool)
truth[2:7, 10:30, 12:28] = True
dice = 2 * (session.mask & truth).sum() / (session.mask.sum() + truth.sum())
assert dice > 0.85, dice
import napari_intseg.cli.main
assert not any(m.split(".")[0] in ("napari", "qtpy") for m in sys.modules)
print("done")
"""


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_nothing_heavy():
    names = repr(HEAVY)
    assert (
        python(f"import sys, napari_intseg; print([n for n in {names} if n in sys.modules])")
        == "[]"
    )
    # with the same set-up, one that is loaded is seen
    assert python(f"import sys, qtpy; print([n for n in {names} if n in sys.modules])") != "[]"


def test_sessions_and_the_list_of_models_load_neither_torch_nor_a_window():
    code = (
        "import sys; from napari_intseg import Session, Volume, available_models;"
        "available_models();"
        f"print([n for n in {HEAVY!r} if n in sys.modules])"
    )
    assert python(code) == "[]"


def test_what_the_window_starts_with_leaves_signal_processing_for_the_first_polygon():
    code = (
        "import sys, numpy as np\n"
        "from napari_intseg.inference import contour, refinement, slice_appearance, vertices\n"
        "assert 'scipy.ndimage' in sys.modules\n"
        "assert 'scipy.signal' not in sys.modules\n"
        "mask = np.zeros((20, 20), bool)\n"
        "mask[4:15, 5:14] = True\n"
        "assert contour.outline(mask)\n"
        "assert 'scipy.signal' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_and_the_list_of_models_of_the_shell_load_only_what_they_need():
    code = (
        "import contextlib, io, sys; from napari_intseg.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main({words!r})\n"
        "rooms = ('evaluation.report', 'session.session', 'io.read')\n"
        f"heavy = {HEAVY!r} + tuple('napari_intseg.' + room for room in rooms)\n"
        "print([n for n in heavy if n in sys.modules])"
    )
    for words in (["--help"], ["compare", "--help"], ["models"]):
        assert python(code.replace("{words!r}", repr(words))) == "[]", words


def test_the_engine_works_with_napari_and_qt_blocked():
    assert python(ENGINE) == "done"

import gc
import itertools
import json
import os
import signal
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Let each of several processes begin to collect at another folder.

    pytest rewrites the assertions of a test file that it sees first, half of what collecting takes,
    and keeps the outcome: processes that go side by side would all rewrite all of it.
    """
    gc.disable()  # until all is imported: there is no garbage among it, and looking takes seconds
    told = getattr(config, "workerinput", None)
    here = Path(__file__).parent
    if told and [Path(one).resolve() for one in config.args] == [here]:
        parts = sorted(str(one) for one in here.iterdir() if is_of_tests(one))
        first = len(parts) * int(told["workerid"].removeprefix("gw")) // told["workercount"]
        config.args = [*parts[first:], *parts[:first]]


def is_of_tests(path: Path) -> bool:
    """Return whether a path is a file of tests, or a folder of ours that may have some."""
    if path.is_dir():
        return any(path.rglob("test_*.py"))
    return path.match("test_*.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that the processes end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    slow |= {item.path for item in items if item.path.name == "test_contract.py"}
    windows = {item.path for item in items if item.get_closest_marker("gui")}
    items.sort(key=lambda item: (item.path not in slow, item.path not in windows, item.path))


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: windows and full memory call it very often."""
    spare_what_lives_on()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Spare it also what the first window of a process and each file's tests imported.

    A window asks for a whole collection where its layers are removed: .2 s of processor time each
    with all of napari's modules, a tenth of that without.
    """
    yield
    is_first = bool(item.get_closest_marker("gui")) and not _WINDOWS
    if is_first:
        _WINDOWS.append(item.nodeid)
    if is_first or nextitem is None or nextitem.path != item.path:
        spare_what_lives_on()


_WINDOWS: list[str] = []


def spare_what_lives_on() -> None:
    """Take all that is alive now out of later collections; garbage goes first."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    """Hear Ctrl-C as in a terminal: a job in the background starts with the signal ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders that a test has for itself, numbered here.

    pytest looks through all its folders to number a new one: 4 ms of processor time with those of
    4,000 tests.
    """
    folder = tmp_path_factory.mktemp("own")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _journals(_own_folders: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep journals and settings of tests out of the user's folders, each test's for itself.

    The panel speaks English, whatever the system does.
    """
    own = next(_own_folders)
    for name in ("journals", "settings"):
        (own / name).mkdir(parents=True)
    monkeypatch.setenv("NAPARI_INTSEG_JOURNALS", str(own / "journals"))
    monkeypatch.setenv("NAPARI_INTSEG_SETTINGS", str(own / "settings" / "settings.json"))
    monkeypatch.setenv("NAPARI_INTSEG_LANGUAGE", "en")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with fixtures and data beside the checkout (or named by NAPARI_INTSEG_SHARED)."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("NAPARI_INTSEG_SHARED", default))
    if not folder.is_dir():
        pytest.skip("no shared folder beside the checkout; set NAPARI_INTSEG_SHARED to name it")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def ritm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in the published form of HRNet-18s, random but repeatable."""
    import torch

    from napari_intseg.models.nets.click_net import ClickInput, HRNetClicks

    torch.manual_seed(0)
    net = HRNetClicks(ClickInput(with_prev=True), width=18, ocr_width=48, small=True)
    params = {
        "width": 18, "ocr_width": 48, "small": True, "with_aux_output": True,
        "use_leaky_relu": True, "use_rgb_conv": False, "use_disks": True, "norm_radius": 5,
        "with_prev_mask": True,
    }  # fmt: skip
    config = {
        "class": "isegm.model.is_hrnet_model.HRNetModel",
        "params": {
            name: {"type": "builtin", "value": value, "specified": True}
            for name, value in params.items()
        },
    }
    state_dict = net.state_dict()
    state_dict["maps_transform.3.scale"] *= 100  # untrained, clicks would hardly matter
    path = tmp_path_factory.mktemp("weights") / "coco_lvis_h18s_itermask.pth"
    torch.save({"state_dict": state_dict, "config": config}, path)
    return path


@pytest.fixture(scope="session")
def ritm_predictor_file(shared: Path, tmp_path_factory) -> Path:
    """HRNet-18s of RITM with the weights of the fixture of its predictor."""
    import torch

    from reference_weights import reference_state_dict

    parity = shared / "parity"
    info = json.loads((parity / "ritm_hrnet18s_itermask.json").read_text())
    fixture = np.load(parity / "ritm_hrnet18s_predictor.npz")
    state_dict = reference_state_dict(info)
    state_dict["maps_transform.3.scale"] = torch.tensor(fixture["maps_scale"])
    for part in ("weight", "bias"):
        name = f"feature_extractor.cls_head.{part}"
        state_dict[name] = torch.tensor(fixture[f"cls_head_{part}"])
    path = tmp_path_factory.mktemp("weights") / "det.pth"
    torch.save({"state_dict": state_dict, "config": info["config"]}, path)
    return path


@pytest.fixture(scope="session")
def play() -> Callable[..., Iterator[Any]]:
    """Give ``play(model, image, clicks, options)``: ask one click after another, as a person does.

    Clicks are rows of (positive, row, col); what comes is the `SliceAnswer` to each.
    """
    from napari_intseg.core.prompts import Click, Prompts
    from napari_intseg.inference.predict import predict_slice

    def answers(model: Any, image: np.ndarray, clicks: np.ndarray, options: Any) -> Iterator[Any]:
        given: tuple[Click, ...] = ()
        prev = None
        for positive, row, col in clicks:
            given = (*given, Click(float(row), float(col), bool(positive)))
            prev = predict_slice(
                model, lambda rows, cols: image[rows, cols], image.shape[:2], Prompts(given),
                options, prev=prev,
            )  # fmt: skip
            yield prev

    return answers


class Page(HTMLParser):
    """A page: checks that what is opened is closed, and collects tags and attributes."""

    VOID = frozenset({"meta", "img", "br", "circle", "line", "polyline"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attributes)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.append(dict(attributes))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    @property
    def is_self_contained(self) -> bool:
        """Whether all it shows is in it: pictures, no script, nothing from elsewhere."""
        names = ("src", "href", "xlink:href")
        links = [a[name] for a in self.attributes for name in names if name in a]
        inside = all(str(link).startswith("data:image/") for link in links)
        return bool(links) and inside and not {"script", "link", "iframe"} & set(self.tags)


@pytest.fixture(scope="session")
def read_page() -> Callable[[str], Page]:
    """Return a function that reads a page and checks that it is whole."""
    return Page

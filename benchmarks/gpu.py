"""What a GPU has to show: parity, warm-up, time, memory that is given back, and a full card.

It is not called after CUDA: a script of that name hides NVIDIA's package, which PyTorch imports.

Of the bundled network also what encoding ahead and objects that are walked abreast save, and that
masks stay the same; of every family what recorded graphs save; of masks that are cleaned up on the
device that they are SciPy's, and the time. Pictures travel as bytes in half precision and as they
are in float32, so that parity holds for that as well. Beside it, where a checkout of the authors'
code of RITM is named, a click by it and by ours: the goal is three times as fast.

    python benchmarks/gpu.py --json gpu.json               # under 8 minutes on a GPU
    python benchmarks/gpu.py --official ritm_interactive_segmentation
    python benchmarks/gpu.py --device cpu --quick           # the script itself, tried on a CPU

The bundled network has its real weights, the others random ones: time and memory do not depend on
them, and neither does how far half precision strays from float32. Each family is asked in a
precision of its own choice ("auto") and compared with float32 on the same device. What is found is
printed and written as soon as it is known. Each part has its time: one that needs more ends with
the step it is at, and is told. Nothing here fails: it measures, and prints what was reached.

With `--quick` views and SAM's square are small. At its full 1,024 pixels an encoding by ViT-B takes
a processor half a minute, and two dozen of them are asked for: that was no way to try the script.
"""

import argparse
import importlib
import json
import math
import statistics
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import (
    Answer,
    FloatArray,
    Prepared,
    Query,
    Segmenter,
    Traits,
    sigmoid,
)
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.evaluation.run import PreparedImages
from napari_intseg.inference.predict import Options, SliceAnswer, predict_slice
from napari_intseg.models import regions
from napari_intseg.models.device import CudaGraphs, Precision, choose_device, choose_precision
from napari_intseg.models.focalclick import FocalClick, net_of_config
from napari_intseg.models.nets.click_net import ClickInput, HRNetClicks
from napari_intseg.models.registry import load_model
from napari_intseg.models.ritm import PUBLISHED_ZOOM_IN, Ritm
from napari_intseg.models.sam import mask_decoder
from napari_intseg.models.sam.mask_decoder import PromptedNet
from napari_intseg.models.sam.sam import SamSegmenter, TinyEncoder, ViT
from napari_intseg.models.sam.sam2 import Sam2Net
from napari_intseg.session import mask_edits
from napari_intseg.session.session import Session
from napari_intseg.testing import phantom_image

FOCAL = {
    "class": "isegm.model.is_hrnet_model.HRNetModel",
    "params": {
        name: {"type": "builtin", "value": value}
        for name, value in {
            "pipeline_version": "s2", "width": 18, "ocr_width": 64, "small": True,
            "with_prev_mask": True, "use_leaky_relu": True, "use_rgb_conv": False,
            "use_disks": True, "norm_radius": 5,
        }.items()
    },
}  # fmt: skip
"""The configuration of the published FocalClick HRNet-18s-S2."""

PARITY, MASKS, PLANES_S = 2e-2, 0.005, 100.0
"""Goals: mean difference of probabilities, share of pixels that differ, planes a second at 512²."""


@dataclass
class Found:
    """What was measured of one family."""

    family: str
    precision: str
    warm_up_s: float
    prepare_ms: float
    click_ms: float
    planes_s: float
    prob_differs: float
    mask_differs: float
    held_mb: float
    left_mb: float


def focalclick(device: str, precision: Precision) -> Segmenter:
    """Return FocalClick with random weights."""
    torch.manual_seed(0)
    net = net_of_config(FOCAL, Path("random")).eval()
    return FocalClick(Traits("focalclick"), net, device=device, precision=precision)


def ritm(device: str, precision: Precision) -> Segmenter:
    """Return RITM HRNet-18s with random weights."""
    torch.manual_seed(0)
    net = HRNetClicks(ClickInput(with_prev=True), width=18, ocr_width=48, small=True).eval()
    traits = Traits("ritm-hrnet18s", zoom_in=PUBLISHED_ZOOM_IN, flip=True, uses_prev=True)
    return Ritm(traits, net, device=device, precision=precision)


SAMS: dict[str, Callable[[], Any]] = {
    "mobile-sam": lambda: PromptedNet(TinyEncoder()),
    "sam-vit-b": lambda: PromptedNet(ViT("vit-b")),
    "sam2.1-tiny": lambda: Sam2Net("tiny"),
}


def sam(name: str) -> Callable[[str, Precision], Segmenter]:
    """Return what builds a SAM with random weights."""

    def build(device: str, precision: Precision) -> Segmenter:
        torch.manual_seed(0)
        net = SAMS[name]().eval().requires_grad_(False)
        net.finish()
        return SamSegmenter(net, name, device=device, precision=precision)

    return build


FAMILIES: dict[str, Callable[[str, Precision], Segmenter]] = {
    "bundled": lambda device, kind: load_model("bundled", device=device, precision=kind),
    "ritm-hrnet18s": ritm,
    "focalclick-hrnet18s-s2": focalclick,
    "mobile-sam": sam("mobile-sam"),
    "sam-vit-b": sam("sam-vit-b"),
    "sam2.1-tiny": sam("sam2.1-tiny"),
}


class Budget:
    """So many seconds, after which no further step is begun."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.end = seconds, time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether they have passed."""
        return time.monotonic() > self.end

    def check(self) -> None:
        """Raise TimeoutError if they have passed."""
        if self.is_over:
            raise TimeoutError(f"ended after {self.seconds:.0f} s")


NO_END = Budget(math.inf)


def timed(
    work: Callable[[], object], device: torch.device, repeats: int, budget: Budget = NO_END
) -> float:
    """Return the median of some runs in seconds, each waited for; fewer when the time is over."""
    budget.check()
    took: list[float] = []
    while len(took) < repeats and not (took and budget.is_over):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def held_mb(device: torch.device) -> float:
    """Return what PyTorch holds on a GPU; 0 on a CPU."""
    return torch.cuda.memory_allocated(device) / 2**20 if device.type == "cuda" else 0.0


def measure(family: str, device: str, side_px: int, repeats: int, budget: Budget = NO_END) -> Found:
    """Measure one family at views of `side_px` squared.

    Raises
    ------
    TimeoutError
        If the time is over.
    """
    there = choose_device(device)
    build = FAMILIES[family]
    image, _ = phantom_image(shape=(side_px, side_px))
    clicks = Prompts((Click(side_px / 2, side_px / 3), Click(3, 3, positive=False)))
    before = held_mb(there)
    model: Any = build(device, "auto")
    ask = lambda: model.predict(Query(model.prepare(image), clicks))  # noqa: E731
    warm_up = timed(ask, there, 1, budget)
    first = model.predict(Query(model.prepare(image), clicks))
    query = Query(model.prepare(image), clicks, first.logits, first.state)
    prepare = timed(lambda: model.prepare(image), there, repeats, budget)
    click = timed(partial(model.predict, query), there, repeats, budget)
    plane = timed(ask, there, repeats, budget)
    answer, held = model.predict(query).logits, held_mb(there)
    precision = str(model.dtype).removeprefix("torch.")
    model.release()
    del query
    left = held_mb(there)
    budget.check()
    exact: Any = build(device, "float32")
    seen = exact.prepare(image)
    state = exact.predict(Query(seen, clicks)).state
    wanted = exact.predict(Query(seen, clicks, first.logits, state)).logits
    exact.release()
    return Found(
        family, precision, round(warm_up, 3), round(prepare * 1000, 2), round(click * 1000, 2),
        round(1 / plane, 1),
        float(np.abs(sigmoid(answer) - sigmoid(wanted)).mean()),
        float(((answer > 0) != (wanted > 0)).mean()),
        round(held - before, 1), round(left - before, 1),
    )  # fmt: skip


def fill(device: torch.device, leave_mb: int) -> list[torch.Tensor]:
    """Take a card's memory but for some megabytes."""
    taken: list[torch.Tensor] = []
    torch.cuda.empty_cache()
    while True:
        free = torch.cuda.mem_get_info(device)[0] // 2**20 - leave_mb
        if free < 16:
            return taken
        taken.append(torch.empty(int(free // 2 + 8) * 2**20, dtype=torch.uint8, device=device))


def on_a_full_card(device: str) -> list[dict[str, Any]]:
    """Return what a click is answered with while others hold more and more of the card."""
    there = choose_device(device)
    if there.type != "cuda":
        return [{"left_mb": None, "told": "not a GPU: not run"}]
    image, _ = phantom_image(shape=(1024, 1024))
    volume = Volume((image * 255).astype(np.uint8), channels=True)
    found = []
    for leave_mb in (2000, 500, 200, 60, 10):
        model: Any = FAMILIES["sam-vit-b"]("cpu", "float32")
        model.device, model.dtype = there, choose_precision("auto", there)
        taken = fill(there, leave_mb)
        session = Session(model, volume, zoom_in=None)
        session.set_prompts(Plane(0, 0), Prompts((Click(500, 400),)))
        try:
            result = session.predict(Plane(0, 0))
            told = "" if result is None else str(result.info.get("note", "answered in full"))
        except Exception as err:  # what it is, is the outcome
            told = f"{type(err).__name__}: {err}"
        found.append({"left_mb": leave_mb, "told": told})
        del taken
        model.release()
    return found


def whole_clicks(device: str, repeats: int, sides: Sequence[int] = (512, 2048)) -> dict[str, float]:
    """Return milliseconds of clicks on the default model, view and all, by slice and number."""
    model, there = load_model("bundled", device=device), choose_device(device)
    return {
        f"{which}_{side}": round(1000 * timed(work, there, repeats), 2)
        for side in sides
        for which, work in clicks_on(model, side).items()
    }


def clicks_on(
    model: Segmenter, side: int, options: Options | None = None
) -> dict[str, Callable[[], object]]:
    """Return a first and a following click on a slice of `side` squared."""
    image, _ = phantom_image(shape=(side, side))
    grey = (image * 255).astype(np.uint8)
    first = Prompts((Click(side / 2, side / 3),))
    more = Prompts((*first.clicks, Click(4, 4, positive=False)))

    def ask(given: Prompts, prev: SliceAnswer | None, store: PreparedImages) -> SliceAnswer:
        return predict_slice(
            model, lambda rows, cols: grey[rows, cols], grey.shape[:2], given, options or Options(),
            prev=prev, prepared=store, key=0,
        )  # fmt: skip

    kept = PreparedImages()
    answer = ask(first, None, kept)
    return {
        "first": lambda: ask(first, None, PreparedImages()),
        "following": lambda: ask(more, answer, kept),
    }


class As:
    """A model that says whether it computes beside the processor, whatever it does."""

    def __init__(self, model: Any, *, is_asynchronous: bool) -> None:
        self.model, self.traits = model, model.traits
        self.is_asynchronous = self.encodes_ahead = is_asynchronous

    def __getattr__(self, name: str) -> Any:
        """Return what else the model has."""
        return getattr(self.model, name)

    def prepare(self, image: FloatArray) -> Prepared:
        """Encode a view."""
        return self.model.prepare(image)

    def predict(self, query: Query) -> Answer:
        """Answer one query."""
        return self.model.predict(query)

    def predict_batch(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer several."""
        return self.model.predict_batch(queries)


def recorded(
    family: str, device: str, side_px: int, repeats: int, budget: Budget = NO_END
) -> dict[str, float]:
    """Return milliseconds of an encoding and a click, recorded and not, and what differs."""
    model: Any = FAMILIES[family](device, "auto")
    there, graphs = choose_device(device), model.hosted.graphs
    image, _ = phantom_image(shape=(side_px, side_px))
    asked = Prompts((Click(side_px / 2, side_px / 3), Click(3, 3, positive=False)))
    found, answers = {}, []
    for name, kept in (("plain", CudaGraphs(kind="none")), ("recorded", graphs)):
        model.hosted.graphs = kept
        # what comes for the third time is recorded; nothing is on a processor
        for _ in range(4 if there.type == "cuda" else 1):
            budget.check()
            query = Query(model.prepare(image), asked)
            answers.append(model.predict(query).logits)
        returned = []
        for _ in range(repeats):
            budget.check()
            start = time.perf_counter()
            model.prepare(image)
            returned.append(time.perf_counter() - start)
            if there.type == "cuda":
                torch.cuda.synchronize(there)
        found[f"prepare_returns_{name}"] = 1000 * statistics.median(returned)
        encode, click = partial(model.prepare, image), partial(model.predict, query)
        found[f"prepare_{name}"] = 1000 * timed(encode, there, repeats, budget)
        found[f"click_{name}"] = 1000 * timed(click, there, repeats, budget)
    found["recordings"] = len(graphs)
    found["prob_differs"] = float(np.abs(sigmoid(answers[-1]) - sigmoid(answers[0])).max())
    model.release()
    return {name: round(value, 4) for name, value in found.items()}


def official(folder: Path, device: str, side: int, repeats: int) -> dict[str, float]:
    """Return milliseconds of a following click by the authors' code of RITM, and by ours.

    Both have HRNet-18s with random weights, zoom-in to 400 pixels and the mirrored view.
    """
    sys.path.insert(0, str(folder))
    # the authors' code is from before these names went
    for name, kind in (("bool", bool), ("int", int), ("float", float)):
        setattr(np, name, kind)
    # what only its training uses
    log = types.ModuleType("torch.utils.tensorboard")
    log.SummaryWriter = object  # type: ignore[attr-defined]
    sys.modules.setdefault("torch.utils.tensorboard", log)
    clicker = importlib.import_module("isegm.inference.clicker")
    predictors = importlib.import_module("isegm.inference.predictors")
    model = importlib.import_module("isegm.model.is_hrnet_model")
    image, _ = phantom_image(shape=(side, side))
    there = choose_device(device)
    net = model.HRNetModel(
        width=18, ocr_width=48, small=True, with_aux_output=True, use_leaky_relu=True,
        use_rgb_conv=False, use_disks=True, norm_radius=5, with_prev_mask=True,
    ).to(there).eval()  # fmt: skip
    theirs = predictors.get_predictor(
        net, "NoBRS", there, zoom_in_params={"skip_clicks": -1, "target_size": (400, 400)}
    )
    made = clicker.Click
    given = [made(True, (side // 2, side // 3)), made(False, (4, 4))]

    def ask() -> None:
        theirs.set_input_image((image * 255).astype(np.uint8))
        theirs.get_prediction(clicker.Clicker(init_clicks=given[:1]))

    with torch.no_grad():
        ask()
        more = clicker.Clicker(init_clicks=given)
        work = partial(theirs.get_prediction, more)
        work()
        authors = timed(work, there, repeats)
    ours = clicks_on(ritm(device, "auto"), side, Options.published())["following"]
    for _ in range(4):
        ours()
    own = timed(ours, there, repeats)
    found = {"authors_ms": 1000 * authors, "ours_ms": 1000 * own, "times": authors / own}
    return {name: round(value, 2) for name, value in found.items()}


def cleaned(device: str, side: int) -> dict[str, float]:
    """Return milliseconds of the largest part and of holes filled, by SciPy and there."""
    there = choose_device(device)
    noise = np.random.default_rng(0).normal(size=(side // 4, side, side)).astype(np.float32)
    mask = gaussian_filter(noise, 3) > 0
    found: dict[str, float] = {"voxels": mask.size}
    for here, on_device in (
        (mask_edits.largest_part, regions.largest_part),
        (mask_edits.fill_holes, regions.fill_holes),
    ):
        expected, answer = here(mask), on_device(mask, there)
        name = here.__name__
        found[f"{name}_differs"] = float((answer != expected).sum()) if answer is not None else -1
        found[f"{name}_scipy_ms"] = 1000 * timed(partial(here, mask), there, 1)
        found[f"{name}_there_ms"] = 1000 * timed(partial(on_device, mask, there), there, 3)
    return {name: round(value, 2) for name, value in found.items()}


def abreast(device: str, planes: int, side: int = 256) -> dict[str, float]:
    """Return planes a second of four objects, one by one and abreast, and what differs."""
    rows, cols = np.indices((side, side))
    data = np.full((planes, side, side), 40.0, np.float32)
    # a slice of objects in a square, not touching
    middles, radius = (side * 0.235, side * 0.74), side * 0.137
    for row in middles:
        for col in middles:
            for z in range(planes):
                data[z][np.hypot(rows - row - z / 8, cols - col) < radius - z / 8] = 160
    data += np.random.default_rng(0).normal(0, 8, data.shape).astype(np.float32)
    found, labels = {}, []
    # once more, since a device gets ready the first time
    again = ("one_by_one_again", "abreast_again") if choose_device(device).type == "cuda" else ()
    for name in ("one_by_one", "abreast", *again):
        model = As(load_model("bundled", device=device), is_asynchronous=name.startswith("abr"))
        session = Session(model, Volume(data))
        for row in middles:
            for col in middles:
                if session.mask.any():
                    session.new_object()
                session.click((planes // 2, row, col))
        start = time.perf_counter()
        change = session.propagate_all()
        found[name] = round(4 * len(change.planes) / (time.perf_counter() - start), 1)
        labels.append(session.labels)
    found["masks_differ"] = round(float((labels[1] != labels[0]).mean()), 6)
    return found


class Report:
    """Prints what is found, and writes all there is so far.

    Parameters
    ----------
    path : Path or None
        Of a JSON file, whole at any time.
    head : dict
        Goes before what is found.
    """

    def __init__(self, path: Path | None, head: dict[str, Any]) -> None:
        self.path, self.found = path, {**head, "families": [], "recorded": {}, "left_out": []}

    def add(self, told: str, **found: Any) -> None:
        """Print a line, and keep what is found under its names."""
        print(told, flush=True)
        self.found |= found
        if self.path is not None:
            self.path.write_text(json.dumps(self.found, indent=1) + "\n", "utf-8")


PARTS = ("families", "graphs", "clicks", "cleaned", "walks", "full")


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=420, help="begin no part after so many")
    parser.add_argument("--each", type=float, default=90, help="seconds for a part of a family")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--quick", action="store_true", help="one repeat, all of it small")
    parser.add_argument("--official", type=Path, help="a checkout of the authors' code of RITM")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(given)
    with small_squares() if args.quick else nullcontext():
        Script(args).run()


@contextmanager
def small_squares() -> Iterator[None]:
    """Have SAMs see squares of 256 pixels for a while."""
    kept = mask_decoder.SIDE_PX
    # what images are shown at; prompts and masks stay on the full square
    mask_decoder.SIDE_PX = 256
    try:
        yield
    finally:
        mask_decoder.SIDE_PX = kept


class Script:
    """What is measured, part by part.

    Parameters
    ----------
    args : Namespace
        See `main`.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.device, self.is_quick = args, args.device, args.quick
        self.repeats = 1 if args.quick else args.repeats
        self.total = Budget(args.seconds)
        name = torch.cuda.get_device_name() if self.device.startswith("cuda") else self.device
        self.side = 128 if args.quick else args.side
        head = {"device": name, "torch": torch.__version__, "side_px": self.side}
        self.report = Report(args.json, head)

    def run(self) -> None:
        """Measure the parts that were asked for."""
        works: dict[str, Callable[[], None]] = {}
        for part in self.args.parts:
            if part in ("families", "graphs"):
                for family in self.args.families:
                    works[f"{part}, {family}"] = partial(getattr(self, part), family)
            else:
                works[part] = getattr(self, part)
        if self.args.official is not None:
            works["authors' code"] = self.authors
        for name, work in works.items():
            try:
                self.total.check()
                work()
            except TimeoutError as err:
                left_out = [*self.report.found["left_out"], name]
                self.report.add(f"{name}: left out, {err}", left_out=left_out)

    def _budget(self) -> Budget:
        return Budget(min(self.args.each, self.total.end - time.monotonic()))

    def families(self, family: str) -> None:
        """Measure a family, and say which goals it reached."""
        row = measure(family, self.device, self.side, self.repeats, self._budget())
        goals = {
            f"parity {row.prob_differs:.1e}": row.prob_differs <= PARITY,
            f"masks {100 * row.mask_differs:.2f} %": row.mask_differs <= MASKS,
            f"{row.planes_s} planes/s": row.planes_s >= PLANES_S,
            f"{row.left_mb} MB left": row.left_mb <= 1,
        }
        told = ", ".join(f"{name}{'' if met else ' (!)'}" for name, met in goals.items())
        rows = [*self.report.found["families"], asdict(row)]
        self.report.add(f"{family} {row.precision}: click {row.click_ms} ms, {told}", families=rows)

    def graphs(self, family: str) -> None:
        """Measure what recorded graphs of a family save."""
        side = 128 if self.is_quick else 384
        one = recorded(family, self.device, side, self.repeats, self._budget())
        kept = {**self.report.found["recorded"], family: one}
        self.report.add(f"{family}, recorded in ms: {one}", recorded=kept)

    def clicks(self) -> None:
        """Measure clicks, view and all."""
        sides = (128,) if self.is_quick else (512, 2048)
        found = whole_clicks(self.device, self.repeats, sides)
        self.report.add(f"bundled, whole clicks in ms: {found}", whole_clicks_ms=found)

    def cleaned(self) -> None:
        """Measure the clean-up of masks."""
        found = cleaned(self.device, 32 if self.is_quick else 384)
        self.report.add(f"masks cleaned up: {found}", cleaned=found)

    def walks(self) -> None:
        """Measure objects that are walked abreast."""
        found = abreast(self.device, *((3, 96) if self.is_quick else (48, 256)))
        self.report.add(f"bundled, planes a second of four objects: {found}", abreast=found)

    def full(self) -> None:
        """Say what a full card answers."""
        found = on_a_full_card(self.device)
        told = (f"full card, {one['left_mb']} MB left: {one['told']}" for one in found)
        self.report.add("\n".join(told), full_card=found)

    def authors(self) -> None:
        """Measure the authors' code of RITM beside ours."""
        found = official(self.args.official, self.device, 512, self.repeats)
        met = "" if found["times"] >= 3 else " (!)"
        self.report.add(f"RITM, authors' code and ours: {found}{met}", official=found)


if __name__ == "__main__":
    main()

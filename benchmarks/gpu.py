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
precision of its own choice ("auto") and compared with float32 on the same device. A family that the
time is over for is left out and told. Nothing here fails: it measures, and prints what was reached.
"""

import argparse
import importlib
import json
import statistics
import sys
import time
import types
from collections.abc import Callable, Sequence
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


def timed(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the median of some runs in seconds, each waited for."""
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def held_mb(device: torch.device) -> float:
    """Return what PyTorch holds on a GPU; 0 on a CPU."""
    return torch.cuda.memory_allocated(device) / 2**20 if device.type == "cuda" else 0.0


def measure(family: str, device: str, side_px: int, repeats: int) -> Found:
    """Measure one family at views of `side_px` squared."""
    there = choose_device(device)
    build = FAMILIES[family]
    image, _ = phantom_image(shape=(side_px, side_px))
    clicks = Prompts((Click(side_px / 2, side_px / 3), Click(3, 3, positive=False)))
    before = held_mb(there)
    model: Any = build(device, "auto")
    warm_up = timed(lambda: model.predict(Query(model.prepare(image), clicks)), there, 1)
    first = model.predict(Query(model.prepare(image), clicks))
    query = Query(model.prepare(image), clicks, first.logits, first.state)
    prepare = timed(lambda: model.prepare(image), there, repeats)
    click = timed(partial(model.predict, query), there, repeats)
    plane = timed(lambda: model.predict(Query(model.prepare(image), clicks)), there, repeats)
    answer, held = model.predict(query).logits, held_mb(there)
    precision = str(model.dtype).removeprefix("torch.")
    model.release()
    del query
    left = held_mb(there)
    exact: Any = build(device, "float32")
    first_exact = exact.predict(Query(exact.prepare(image), clicks))
    wanted = exact.predict(
        Query(exact.prepare(image), clicks, first.logits, first_exact.state)
    ).logits
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


def whole_clicks(device: str, repeats: int) -> dict[str, float]:
    """Return milliseconds of clicks on the default model, view and all, by slice and number."""
    model, there = load_model("bundled", device=device), choose_device(device)
    return {
        f"{which}_{side}": round(1000 * timed(work, there, repeats), 2)
        for side in (512, 2048)
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


def recorded(family: str, device: str, side_px: int, repeats: int) -> dict[str, float]:
    """Return milliseconds of an encoding and a click, recorded and not, and what differs."""
    model: Any = FAMILIES[family](device, "auto")
    there, graphs = choose_device(device), model.hosted.graphs
    image, _ = phantom_image(shape=(side_px, side_px))
    asked = Prompts((Click(side_px / 2, side_px / 3), Click(3, 3, positive=False)))
    found, answers = {}, []
    for name, kept in (("plain", CudaGraphs(kind="none")), ("recorded", graphs)):
        model.hosted.graphs = kept
        for _ in range(4):
            query = Query(model.prepare(image), asked)
            answers.append(model.predict(query).logits)
        returned = []
        for _ in range(repeats):
            start = time.perf_counter()
            model.prepare(image)
            returned.append(time.perf_counter() - start)
            if there.type == "cuda":
                torch.cuda.synchronize(there)
        found[f"prepare_returns_{name}"] = 1000 * statistics.median(returned)
        found[f"prepare_{name}"] = 1000 * timed(lambda: model.prepare(image), there, repeats)
        found[f"click_{name}"] = 1000 * timed(partial(model.predict, query), there, repeats)
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


def abreast(device: str, planes: int) -> dict[str, float]:
    """Return planes a second of four objects, one by one and abreast, and what differs."""
    rows, cols = np.indices((256, 256))
    data = np.full((planes, 256, 256), 40.0, np.float32)
    for row in (60, 190):
        for col in (60, 190):
            for z in range(planes):
                data[z][np.hypot(rows - row - z / 8, cols - col) < 35 - z / 8] = 160
    data += np.random.default_rng(0).normal(0, 8, data.shape).astype(np.float32)
    found, labels = {}, []
    for name in ("one_by_one", "abreast", "one_by_one_again", "abreast_again"):
        model = As(load_model("bundled", device=device), is_asynchronous=name.startswith("abr"))
        session = Session(model, Volume(data))
        for row in (60, 190):
            for col in (60, 190):
                if session.mask.any():
                    session.new_object()
                session.click((planes // 2, row, col))
        start = time.perf_counter()
        change = session.propagate_all()
        found[name] = round(4 * len(change.planes) / (time.perf_counter() - start), 1)
        labels.append(session.labels)
    found["masks_differ"] = round(float((labels[1] != labels[0]).mean()), 6)
    return found


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=420, help="begin no family after so many")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--families", nargs="*", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--quick", action="store_true", help="two repeats, small views")
    parser.add_argument("--official", type=Path, help="a checkout of the authors' code of RITM")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    side, repeats = (128, 2) if args.quick else (args.side, args.repeats)
    start, rows, left_out = time.monotonic(), list[Found](), list[str]()
    for family in args.families:
        if time.monotonic() - start > args.seconds:
            left_out.append(family)
            continue
        row = measure(family, args.device, side, repeats)
        rows.append(row)
        goals = {
            f"parity {row.prob_differs:.1e}": row.prob_differs <= PARITY,
            f"masks {100 * row.mask_differs:.2f} %": row.mask_differs <= MASKS,
            f"{row.planes_s} planes/s": row.planes_s >= PLANES_S,
            f"{row.left_mb} MB left": row.left_mb <= 1,
        }
        told = ", ".join(f"{name}{'' if met else ' (!)'}" for name, met in goals.items())
        print(f"{family} {row.precision}: click {row.click_ms} ms, {told}", flush=True)
    clicks = whole_clicks(args.device, 2 if args.quick else repeats)
    graphs = {}
    for family in args.families:
        if time.monotonic() - start > args.seconds:
            left_out.append(f"graphs of {family}")
            continue
        graphs[family] = recorded(family, args.device, 128 if args.quick else 384, repeats)
    parts = cleaned(args.device, 32 if args.quick else 384)
    authors = {}
    if args.official is not None:
        authors = official(args.official, args.device, 512, 2 if args.quick else repeats)
        print(f"RITM, authors' code and ours: {authors}{'' if authors['times'] >= 3 else ' (!)'}")
    walks = abreast(args.device, 4 if args.quick else 48)
    full = on_a_full_card(args.device)
    for family, one in graphs.items():
        print(f"{family}, recorded in ms: {one}")
    print(f"bundled, planes a second of four objects: {walks}")
    print(f"bundled, whole clicks in ms: {clicks}")
    print(f"masks cleaned up: {parts}")
    for one in full:
        print(f"full card, {one['left_mb']} MB left: {one['told']}")
    if left_out:
        print(f"left out, the time was over: {', '.join(left_out)}")
    if args.json is not None:
        name = torch.cuda.get_device_name() if args.device.startswith("cuda") else args.device
        outcome = {
            "device": name, "torch": torch.__version__, "side_px": side,
            "families": [asdict(row) for row in rows], "whole_clicks_ms": clicks,
            "recorded": graphs, "cleaned": parts, "official": authors, "abreast": walks,
            "full_card": full, "left_out": left_out,
        }  # fmt: skip
        args.json.write_text(json.dumps(outcome, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

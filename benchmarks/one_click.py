"""Time a warm RITM click: the published network run plainly, folded, and in half precision.

The ways are run in turn, so that whatever else the machine does meets all alike; ratios are those
of the medians. Random weights are as good as trained ones for this.

    python benchmarks/one_click.py --device cuda --model ritm-hrnet18s --repeats 20
"""

import argparse
import statistics
import time

import numpy as np
import torch

from napari_intseg.core.prompts import Click, Prompts
from napari_intseg.core.segmenter import Query, Traits
from napari_intseg.models.device import Precision, choose_device
from napari_intseg.models.nets.click_net import ClickInput, ClickNet, DeepLabClicks, HRNetClicks
from napari_intseg.models.ritm import PUBLISHED_ZOOM_IN, Ritm

WITH_PREV = ClickInput(with_prev=True)
NETWORKS = {
    "ritm-hrnet18s": lambda: HRNetClicks(WITH_PREV, width=18, ocr_width=48, small=True),
    "ritm-hrnet18": lambda: HRNetClicks(WITH_PREV, width=18, ocr_width=64),
    "ritm-hrnet32": lambda: HRNetClicks(WITH_PREV, width=32, ocr_width=128),
    "ritm-resnet34": lambda: DeepLabClicks(ClickInput()),
}
GOALS = {"folded, channels last": 0.65, "bfloat16": 0.5}


def build(
    network: str,
    device: str,
    precision: Precision,
    *,
    plain: bool = False,
    kind: type[Ritm] = Ritm,
) -> Ritm:
    """Return a model whose weights are random but the same each time."""
    torch.manual_seed(0)
    net: ClickNet = NETWORKS[network]().eval()
    traits = Traits(network, zoom_in=PUBLISHED_ZOOM_IN, flip=True, uses_prev=net.clicks.with_prev)
    return kind(traits, net, device=device, precision=precision, plain=plain)


def ways(network: str, device: str) -> dict[str, Ritm]:
    """Return the models to compare, the plain one first."""
    models = {
        "plain": build(network, device, "float32", plain=True),
        "folded, channels last": build(network, device, "float32"),
        "bfloat16": build(network, device, "bfloat16"),
    }
    if choose_device(device).type == "cuda":
        models["float16"] = build(network, device, "float16")
    return models


def question(model: Ritm, shape: tuple[int, int]) -> list[Query]:
    """Return a click and its mirror image, both with a previous answer."""
    rng = np.random.default_rng(0)
    image = rng.random((*shape, 3), np.float32)
    prev = rng.normal(0, 2, shape).astype(np.float32)
    row, col = shape[0] / 2, shape[1] / 3
    return [
        Query(model.prepare(image), Prompts((Click(row, col),)), prev),
        Query(
            model.prepare(image[:, ::-1]),
            Prompts((Click(row, shape[1] - 1 - col),)),
            np.ascontiguousarray(prev[:, ::-1]),
        ),
    ]


def seconds_of(model: Ritm, queries: list[Query], *, cpu_time: bool) -> float:
    """Time one click; the answer is on the CPU when it returns, hence the device is done."""
    clock = time.process_time if cpu_time else time.perf_counter
    start = clock()
    model.predict_batch(queries)
    return clock() - start


def main() -> None:
    """Print milliseconds a click, and ratios to the plain network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--model", choices=NETWORKS, default="ritm-hrnet18s")
    parser.add_argument("--size", type=int, nargs=2, default=(400, 400), metavar=("H", "W"))
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--threads", type=int, help="of the CPU; torch's choice otherwise")
    parser.add_argument(
        "--cpu-time", action="store_true", help="count processor time, for a busy machine"
    )
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    shape = (args.size[0], args.size[1])
    models = ways(args.model, args.device)
    asked = {name: question(model, shape) for name, model in models.items()}
    for model in models.values():
        for _ in range(2):
            model.warm_up(shape)
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(args.repeats):
        for name, model in models.items():
            times[name].append(seconds_of(model, asked[name], cpu_time=args.cpu_time))
    device = models["plain"].device
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"{args.model}, {shape[0]}x{shape[1]}, with its mirror image, {where}, ", end="")
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    plain = statistics.median(times["plain"])
    for name, taken in times.items():
        middle = statistics.median(taken)
        goal = f"  (goal {GOALS[name]:.2f} on CPU)" if name in GOALS else ""
        print(f"{name:24}{middle * 1e3:9.1f} ms/click   ratio {middle / plain:.2f}{goal}")


if __name__ == "__main__":
    main()

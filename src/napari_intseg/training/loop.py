"""Train a click network: data, steps, checkpoints, measurements, one weights file."""

import copy
import csv
import io
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_intseg.core.files import parse_json, write_text
from napari_intseg.core.segmenter import Array
from napari_intseg.core.volume import Volume
from napari_intseg.errors import DataError, DeviceError, WeightsError
from napari_intseg.evaluation.metrics import noc
from napari_intseg.evaluation.run import Protocol, carried, segment_slice
from napari_intseg.models.bundled import Bundled, load_net
from napari_intseg.models.bundled_input import read_traits
from napari_intseg.models.device import choose_device, has_bfloat16, memory_guard
from napari_intseg.models.nets.click_pyramid import ClickPyramid, DrawnPrompt, load_imagenet
from napari_intseg.models.networks import find_network, network_of
from napari_intseg.models.registry import find_model
from napari_intseg.models.weights.locate import locate
from napari_intseg.models.weights.store import read_metadata, write_weights
from napari_intseg.training.options import TrainOptions
from napari_intseg.training.run_state import (
    FILE,
    Peers,
    Progress,
    launched_place,
    restore_state,
    run_with_peers,
    save_state,
)
from napari_intseg.training.sources import IGNORED_LABEL, PictureSource, Task, hold_out, read_source
from napari_intseg.training.step import StepResult, click_step, follow, parameter_groups
from napari_intseg.training.synthetic import add_noisy_copies, make_worlds
from napari_intseg.training.views import StepSampler, make_loader, step_rng

# half of the twenty that papers allow, as a run measures up to eleven times
MAX_CLICKS = 10
# those of the papers on click segmentation
TARGETS = (0.85, 0.90)


@dataclass(frozen=True, slots=True)
class HeldOutScores:
    """Means over the held-out objects, noisy copies apart.

    Parameters
    ----------
    noc85, noc90 : float
        Clicks until IoU 0.85 and 0.90, ten at most.
    iou1, iou3, iou5 : float
        After that many clicks.
    noisy85, noisy90 : float or None
        The clicks on noisy copies; None where there are none, and in older runs.
    each : tuple of float
        `clicks` of each object, noisy copies apart; empty where it was read from a log.
    """

    noc85: float
    noc90: float
    iou1: float
    iou3: float
    iou5: float
    noisy85: float | None = None
    noisy90: float | None = None
    each: tuple[float, ...] = ()

    @property
    def clicks(self) -> float:
        """Clicks until an object is right: the mean of those to IoU 0.85 and to 0.90."""
        return (self.noc85 + self.noc90) / 2

    @property
    def rank(self) -> tuple[float, float]:
        """Smaller is better: clicks, those on noisy copies a third, then what three leave."""
        clicks = self.noc85 + self.noc90
        if self.noisy85 is not None and self.noisy90 is not None:
            clicks = (2 * clicks + self.noisy85 + self.noisy90) / 3
        return clicks, -self.iou3


def validate(
    net: ClickPyramid,
    tasks: Sequence[Task],
    *,
    traits: Mapping[str, Any] | None = None,
    device: str,
    should_stop: Callable[[], bool] = lambda: False,
) -> HeldOutScores | None:
    """Let the robot user segment held-out objects with a network.

    Parameters
    ----------
    net : ClickPyramid
        Stays as it is: a folded copy answers.
    tasks : sequence of Task
    traits : mapping, optional
        Settings it is used with other than the network's own, see `bundled_input.read_traits`.
    device : str
        See `choose_device`.
    should_stop : callable
        Asked before each object.

    Returns
    -------
    HeldOutScores or None
        None without tasks, or when it was stopped.
    """
    told = {"traits": json.dumps(dict(traits or {}))}
    model = Bundled(read_traits("validated", told), copy.deepcopy(net), device=device)
    protocol = Protocol(MAX_CLICKS, TARGETS, stop_early=True)
    rows = []
    for task in tasks:
        if should_stop():
            return None
        rows.append((task.noisy, *_clicks_and_ious(model, task, protocol)))
    return _summarise(np.array(rows)) if rows else None


def _clicks_and_ious(model: Bundled, task: Task, protocol: Protocol) -> tuple[float, ...]:
    labels = task.picture.labels
    # as evaluation has it: 1 object, 0 background, -1 left out
    truth = np.where(labels == IGNORED_LABEL, -1, labels == task.label).astype(np.int8)
    image = task.picture.image
    # by the same robot user as `napari-intseg evaluate`, so that numbers can be compared
    course = segment_slice(model, Volume(image, channels=image.ndim == 3), truth, protocol)
    # runs that reached the last target stop early; what they reached counts for later clicks
    ious = carried(course.ious, MAX_CLICKS)
    clicks = [float(noc(ious, target=target, max_clicks=MAX_CLICKS)) for target in TARGETS]
    return (*clicks, ious[0], ious[2], ious[4])


def _summarise(rows: Array) -> HeldOutScores:
    """Return the means of rows (noisy, NoC@85, NoC@90, IoU@1, IoU@3, IoU@5)."""
    # apart: clean and noisy pictures differ in difficulty, and older runs had no noisy ones
    noisy = rows[:, 0] == 1
    of_noisy = rows[noisy, 1:3].mean(0).tolist() if noisy.any() else (None, None)
    each = tuple(rows[~noisy, 1:3].mean(1).tolist())
    return replace(HeldOutScores(*rows[~noisy, 1:].mean(0).tolist(), *of_noisy), each=each)


_MEASURED = tuple(field.name for field in fields(HeldOutScores) if field.name != "each")
COLUMNS = ("step", "seconds", "size_px", "rate", "loss", "first_iou", "last_iou", *_MEASURED)


class Log:
    """Appends rows to ``log.csv``; a run that goes on forgets what it will do again.

    Parameters
    ----------
    output : Path
        Folder of the run.
    step : int
        Rows behind this step are of a run that was killed, and are taken out.
    """

    def __init__(self, output: Path, step: int = 0) -> None:
        self._path = output / "log.csv"
        # a killed run wrote rows after its last checkpoint; going on writes them again
        kept = [row for row in read_log(output) if int(row["step"]) <= step] if step else []
        stream = io.StringIO()
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(kept)
        write_text(self._path, stream.getvalue())
        self._board: Any = None
        # TensorBoard is optional
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(output / "tensorboard"), purge_step=step or None)

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """Append a row; columns that are not given, or None, stay empty."""
        values = {name: value for name, value in values.items() if value is not None}
        with self._path.open("a", newline="", encoding="utf-8") as stream:
            shown = {name: f"{value:.6g}" for name, value in values.items()}
            csv.DictWriter(stream, COLUMNS).writerow({"step": step, **shown})
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Let go of TensorBoard's file."""
        if self._board is not None:
            self._board.close()


def read_log(output: Path) -> list[dict[str, str]]:
    """Return the rows of a run's log; none when there is no log yet."""
    path = output / "log.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return [dict(row) for row in csv.DictReader(stream)]


def measurements(output: Path) -> dict[int, HeldOutScores]:
    """Return what was measured so far, by step."""
    return {
        int(row["step"]): HeldOutScores(*(_number(row.get(name)) for name in _MEASURED))  # type: ignore[arg-type]
        for row in read_log(output)
        # only few steps are followed by a measurement
        if row[_MEASURED[0]]
    }


def _number(text: str | None) -> float | None:
    """Return a value of the log; None where it is empty or older than its column."""
    return float(text) if text else None


WARM_UP = 0.03
"""Share of a run in which the learning rate rises; then it follows half a cosine."""

# for measuring, as that is done up to eleven times a run
TASKS_A_SOURCE = 12
# so that a step on odd views, say of a wrong mask, moves the weights no further than others
GRADIENT_LIMIT = 2.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run ends with.

    Parameters
    ----------
    weights : Path
        The file, which is a model by its name.
    step : int
        Steps done, those before resuming included.
    kept_step : int
        After which the weights in the file were; 0: nothing learnt was better.
    before : HeldOutScores or None
        Of the weights it began with; None when nothing was held out, and from ImageNet.
    measured : HeldOutScores or None
        Of the weights in the file; None when nothing was held out. Never worse than `before`.
    stopped : bool
        Whether it was asked to stop before the end; the checkpoint then goes on from here.
    held_out : int, default 0
        Objects that were measured, noisy copies apart.
    error : float or None
        Standard error of the clicks saved, `before.clicks - measured.clicks`, over these objects;
        None where it is not known, as of a run that was resumed.
    """

    weights: Path
    step: int
    kept_step: int
    before: HeldOutScores | None
    measured: HeldOutScores | None
    stopped: bool
    held_out: int = 0
    error: float | None = None


def train(
    options: TrainOptions,
    *,
    resume: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """Train as asked; can be killed at any moment and resumed.

    Parameters
    ----------
    options : TrainOptions
    resume : bool, default False
        Go on from the checkpoint in the output folder.
    on_progress : callable
        Gets steps done and steps to do; seconds instead of steps in a run by the clock.
    should_stop : callable
        Asked after every step; then a checkpoint is written.

    Raises
    ------
    DataError
        If the folders hold nothing to learn from, or the output folder holds a run that is not
        to be resumed.
    WeightsError
        If the weights to start from, or the checkpoint, cannot be used.
    DeviceError
        If the device does not exist or runs out of memory.

    Notes
    -----
    Started by `torchrun`, it is one of several processes, which may be on several machines with one
    output folder; the first alone writes.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    launched = launched_place().count
    if launched > 1 and options.processes not in (1, launched):
        raise DataError(
            f"processes are started by torchrun: expected --processes 1 or {launched}, got "
            f"{options.processes}. Leave it out."
        )
    options = replace(options, processes=max(launched, options.processes))
    output = options.output
    output.mkdir(parents=True, exist_ok=True)
    if (output / FILE).is_file() and not resume:
        raise DataError(
            f"output folder holds a run: expected an empty one, got {str(output)!r}. Resume it "
            "with --resume, or choose another."
        )

    def work(peers: Peers) -> Trained:
        return _work(peers, options, resume, on_progress, should_stop)

    return run_with_peers(options.processes, work, _follow, options, resume)


def _follow(peers: Peers, options: TrainOptions, resume: bool) -> Trained:
    """Do the part of a process that only follows."""
    # one each: four processes of one thread took 3.5 s for 24 views where two threads took 5 to 7 s
    # for 16 (docs/results.md)
    torch.set_num_threads(options.threads or 1)
    return _work(peers, options, resume, lambda _done, _total: None, lambda: False)


def _work(
    peers: Peers,
    options: TrainOptions,
    resume: bool,
    on_progress: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> Trained:
    sources, tasks = _read(options)
    device = choose_device(options.device)
    run = _Run(options, sources, tasks, device, _start(options), peers=peers)
    if resume:
        run.progress = restore_state(options.output, options, run.parts)
    # all have read the checkpoint before the first one may write the next
    peers.agree(0)
    with memory_guard(device):
        return run.go(on_progress, should_stop)


def _read(options: TrainOptions) -> tuple[list[PictureSource], tuple[Task, ...]]:
    sources, tasks = [], list[Task]()
    for folder, weight in options.folders:
        source = read_source(folder, weight, masks=dict(options.masks))
        kept, held = hold_out(
            source, share=options.held_out, most=TASKS_A_SOURCE, seed=options.seed,
            by=options.held_out_by,
        )  # fmt: skip
        sources.append(kept)
        tasks += held
    if options.synthetic:
        sources.append(make_worlds(options.synthetic, seed=options.seed))
    return sources, add_noisy_copies(tasks, seed=options.seed)


def _start(options: TrainOptions) -> tuple[Any, dict[str, Any]]:
    """Return the network to begin with, and the settings it is used with, see `read_traits`."""
    # the layers that ImageNet's weights do not cover are drawn
    torch.manual_seed(options.seed)
    if options.start == "nothing":
        return find_network(options.network).build(), {}
    if options.start == "imagenet":
        net = ClickPyramid()
        load_imagenet(net.encoder)
        return net, {}
    path = Path(options.start)
    if not path.is_file():
        spec = find_model(options.start)
        path = locate(spec.weights or options.start)
    told = read_metadata(path).get("traits", "{}")
    read_traits(path.stem, read_metadata(path))  # refuses what is damaged
    # weights without a name of their network are left to `load_net`, which refuses what does not
    # fit
    found = network_of(read_metadata(path).get("architecture"))
    if found is not None and found.name != options.network:
        raise WeightsError(
            f"weights to start from are of another network: expected {options.network!r}, got "
            f"{found.name!r} in {str(path)!r}. Name it by --network, or begin with `nothing`."
        )
    # loaded to answer, which needs no gradients
    loaded: Any = load_net(path).requires_grad_(True)
    if isinstance(loaded, ClickPyramid) and loaded.drawn is None:
        # of a file from before it
        loaded.drawn = DrawnPrompt()
    return loaded, parse_json(told)


def choose_training_precision(precision: str, device: torch.device) -> torch.dtype:
    """Return bfloat16 on CUDA and float32 elsewhere, unless asked otherwise.

    Raises
    ------
    DeviceError
        If it is neither of the two: float16 would need its loss scaled.
    """
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    known["auto"] = known["bfloat16" if device.type == "cuda" else "float32"]
    if precision not in known:
        raise DeviceError(
            f"precision cannot be trained in: expected one of {', '.join(sorted(known))}, got "
            f"{precision!r}. Leave it at 'auto'."
        )
    if precision == "bfloat16" and device.type == "cpu" and not has_bfloat16():
        _logger.warning(
            "this processor has no instructions for bfloat16, so that steps take several times as "
            "long as in float32: leave out the precision"
        )
    return known[precision]


class _Run:
    """The moving parts of one run."""

    def __init__(
        self,
        options: TrainOptions,
        sources: list[PictureSource],
        tasks: tuple[Task, ...],
        device: torch.device,
        start: tuple[Any, dict[str, Any]],
        *,
        peers: Peers,
    ) -> None:
        net, self.traits = start
        self.options, self.sources, self.tasks, self.device = options, sources, tasks, device
        self.peers = peers
        self.precision = choose_training_precision(options.precision, device)
        moved: Any = net.to(device, memory_format=torch.channels_last)
        self.net: Any = moved.train()
        self._learns_drawn = options.part == "drawn"
        if self._learns_drawn:
            # the rest stays to the bit: neither its weights nor its statistics move
            self.net.requires_grad_(False).eval().drawn.requires_grad_(True)
        # the running average is what is measured and written, not the weights of the last step
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        groups = parameter_groups(self.net, options.full_rate)
        self.optimiser = torch.optim.AdamW(groups)
        self.progress = Progress()
        self.parts = {"net": self.net, "average": self.average, "optimiser": self.optimiser}
        self.file = options.output / f"{options.name}.safetensors"
        self._each: dict[int, tuple[float, ...]] = {}  # by step, as far as it was measured here
        self._clock = time.monotonic()

    def go(
        self, on_progress: Callable[[int, int], None], should_stop: Callable[[], bool]
    ) -> Trained:
        options = self.options
        log = Log(options.output, self.progress.step) if self.peers.leads else None
        workers = options.workers
        if workers is None:
            # on a CPU the views are made beside the steps: 0.04 s of 1.3 s for 16 of them
            workers = 1 if self.device.type != "cuda" else max(1, torch.get_num_threads())
        # the first batches, and with them the clock, are asked for when the loader is begun
        self._clock = time.monotonic() - self.progress.spent_s
        loader = make_loader(
            self.sources,
            StepSampler(self.progress.step, options.batch, self._size_at, self.peers),
            seed=options.seed,
            workers=workers,
            objects=options.objects,
            share=1.0 if self._learns_drawn else 0.0,
            pin=self.device.type == "cuda",
        )
        batches, stopped = iter(loader), False
        self._tenths = int(10 * self._share(self.progress.step))
        saved = time.monotonic()
        # what it began with is measured too, so that a run cannot end with weights that are worse
        if log is not None and self._is_first() and self.tasks:
            self._measure(log, should_stop)
        # the first process decides: clocks differ, and one that stops alone leaves the others
        # waiting
        while self.peers.agree(self._is_over() or stopped) == 0:
            result = self._step(next(batches))
            if log is None:
                continue
            log.write(self.progress.step, self._row(result))
            on_progress(*self._shown())
            stopped = should_stop()
            # the end measures anyhow
            if self._is_due() and not self._is_over():
                self._measure(log, should_stop)
            if options.keep_every and self.progress.step % options.keep_every == 0:
                self._write(options.output / f"{options.name}-{self.progress.step:06}.safetensors")
            if time.monotonic() - saved > options.checkpoint_s:
                self._save()
                saved = time.monotonic()
        if log is not None:
            self._end(log, should_stop, stopped=stopped)
        return self._trained(stopped)

    def _trained(self, stopped: bool) -> Trained:
        found = measurements(self.options.output)
        # of equal measurements the later, as `_measure` keeps them
        kept = min(reversed(found.items()), key=lambda pair: pair[1].rank, default=None)
        step, measured = kept or (self.progress.step, None)
        count = sum(not task.noisy for task in self.tasks)
        first, last = self._each.get(0, ()), self._each.get(step, ())
        error = None
        if len(first) == len(last) > 1:
            error = float(np.std(np.subtract(first, last), ddof=1) / math.sqrt(len(last)))
        return Trained(
            self.file, self.progress.step, step, found.get(0), measured, stopped, count, error
        )

    def _is_first(self) -> bool:
        """Whether nothing was learnt yet by weights that answer already."""
        # weights from ImageNet, or drawn ones, answer nothing yet, so measuring them tells nothing
        return self.progress.step == 0 and self.options.start not in ("imagenet", "nothing")

    def _end(self, log: Log, should_stop: Callable[[], bool], *, stopped: bool) -> None:
        if not stopped:
            self._measure(log, should_stop)
        self._save()
        log.close()
        # nothing was held out or the run stopped early: then the average so far is the result
        if not self.file.is_file():
            self._write(self.file)

    def _share(self, step: int) -> float:
        """Return how much of the run is over when a step begins."""
        if self.options.minutes is None:
            return step / self.options.steps
        return (time.monotonic() - self._clock) / (self.options.minutes * 60)

    def _is_over(self) -> bool:
        return self._share(self.progress.step) >= 1

    def _is_due(self) -> bool:
        """Whether to measure after this step: as asked, else ten times a run."""
        if self.options.validate_every is not None:
            return self.progress.step % self.options.validate_every == 0
        tenths = int(10 * self._share(self.progress.step))
        is_due, self._tenths = tenths > self._tenths, max(tenths, self._tenths)
        return is_due

    def _shown(self) -> tuple[int, int]:
        if self.options.minutes is None:
            return self.progress.step, self.options.steps
        total = round(self.options.minutes * 60)
        return min(total, round(time.monotonic() - self._clock)), total

    def _size_at(self, step: int) -> int:
        sizes = self.options.sizes
        # by share of the run, so that it is the same by steps and by the clock
        return sizes[min(len(sizes) - 1, int(self._share(step) * len(sizes)))]

    def _rate_at(self, share: float) -> float:
        # half a cosine down to a hundredth of the rate: the average still moves in the last steps
        fade = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        # the 1e-3: the first step is not one of rate zero
        return min(1.0, (share + 1e-3) / WARM_UP) * fade

    def _step(self, batch: Any) -> StepResult:
        step, options = self.progress.step, self.options
        # by the clock of the first process, or their weights would drift apart
        share = self._rate_at(self.peers.agree(self._share(step)))
        for group in self.optimiser.param_groups:
            group["lr"] = group["full_lr"] * share
        moved = tuple(part.to(self.device, non_blocking=True) for part in batch)
        loss, result = click_step(
            self.net,
            moved,
            passes=options.passes,
            # other clicks in each process, and the same again when the run is resumed
            rng=step_rng(options.seed, step, self.peers.rank),
            precision=self.precision,
            shows=self._learns_drawn,
        )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._average()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), GRADIENT_LIMIT)
        # averaging of gradients makes the norm the same in all processes, so all leave it out
        if torch.isfinite(norm):
            self.optimiser.step()
            follow(self.average, self.net, step)
        else:
            _logger.warning("step %d is left out: its gradient is not finite", step)
        self.progress = replace(
            self.progress, step=step + 1, spent_s=time.monotonic() - self._clock
        )
        return result

    def _average(self) -> None:
        """Average gradients, and the statistics of batch normalisation, over the processes."""
        gradients = [p.grad for p in self.net.parameters() if p.grad is not None]
        self.peers.average([*gradients, *self.net.buffers()])

    def _row(self, result: StepResult) -> dict[str, float]:
        return {
            "seconds": self.progress.spent_s,
            "size_px": self._size_at(self.progress.step - 1),
            "rate": float(self.optimiser.param_groups[-1]["lr"]),
            "loss": result.loss,
            "first_iou": result.first_iou,
            "last_iou": result.last_iou,
        }

    def _measure(self, log: Log, should_stop: Callable[[], bool]) -> None:
        """Validate the averaged weights, and write them if they are the best so far."""
        measured = validate(
            self.average,
            self.tasks,
            traits=self.traits,
            device=str(self.device),
            should_stop=should_stop,
        )
        if measured is not None:
            log.write(self.progress.step, {name: getattr(measured, name) for name in _MEASURED})
            self._each[self.progress.step] = measured.each
        # it was stopped: half a measurement would be compared with whole ones
        if measured is None and self.tasks:
            return
        rank = measured.rank if measured is not None else None
        best = self.progress.best
        # equal counts as better: it has learnt from more views
        if rank is None or best is None or rank <= best:
            self.progress = replace(self.progress, best=rank)
            self._write(self.file)

    def _write(self, path: Path) -> None:
        """Write the running average as it is now."""
        names = ", ".join(source.name for source in self.sources)
        views = self.options.batch * self.options.processes
        network = find_network(self.options.network)
        card = (
            f"{network.title}, {self.progress.step} steps of {views} views from "
            f"{Path(self.options.start).name}, trained on: {names}."
        )
        write_weights(
            path, self.average.state_dict(), traits=self.traits, card=card,
            # the click pyramid has one size and no settings
            architecture=network.architecture, settings=getattr(self.average, "settings", {}),
        )  # fmt: skip

    def _save(self) -> None:
        save_state(self.options.output, self.options, self.progress, self.parts)

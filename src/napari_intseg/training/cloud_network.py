"""A click network for point clouds: made scans to learn from, training, and answers.

As in interactive object segmentation in 3-D point clouds [1]_, clicks are two channels beside the
points': cubes round clicks of either sign. That network is a sparse one; this is a small dense
U-Net [2]_ on the voxels of the whole cloud, for processors. Built from the paper, unproven.

References
----------
.. [1] Kontogianni, T. et al. "Interactive object segmentation in 3D point clouds", ICRA 2023,
   arXiv:2204.07183.
.. [2] Çiçek, Ö. et al. "3D U-Net", MICCAI 2016, arXiv:1606.06650.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor, nn
from torch.nn import functional as F

from napari_intseg.core.segmenter import FloatArray
from napari_intseg.errors import DataError, PromptError
from napari_intseg.inference.point_cloud import CUBE, PointClick, Points, click_channels
from napari_intseg.io.raster import checked_bytes
from napari_intseg.models.device import choose_device, memory_guard
from napari_intseg.models.weights.locate import load_own
from napari_intseg.models.weights.store import CLOUD, write_weights

SIDE = 48
"""Voxels along the longest side of a cloud: 8 cm of a room of 4 m; the paper has 5 cm."""

# of colour, of what is there, of clicks of either sign
_CHANNELS = 6
# channels of the three levels: a step takes a second on one core (not tuned)
_WIDTHS = (12, 24, 48)
# edge of the cubes round clicks, in voxels at least: the paper's is one of its voxels, which a few
# layers would lose
_CUBE_VOXELS = 3.0

RATE = 2e-3
"""AdamW's rate (not tuned)."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledCloud:
    """A point cloud whose objects are known.

    Parameters
    ----------
    points : ndarray of float, shape (N, 3)
    colours : ndarray of float32, shape (N, 3)
        RGB in [0, 1].
    objects : ndarray of int, shape (N,)
        0 belongs to none.
    """

    points: Points
    colours: FloatArray
    objects: NDArray[np.integer]


class _Level(nn.Sequential):
    """Two convolutions, each normalised over groups of channels: batches are of one cloud."""

    def __init__(self, inputs: int, outputs: int) -> None:
        parts: list[nn.Module] = []
        for first in (inputs, outputs):
            parts += [nn.Conv3d(first, outputs, 3, padding=1, bias=False)]
            parts += [nn.GroupNorm(4, outputs), nn.ReLU(inplace=True)]
        super().__init__(*parts)


class CloudNet(nn.Module):
    """A U-Net of three levels on (B, 6, D, H, W), whose sides are multiples of 4."""

    def __init__(self) -> None:
        super().__init__()
        one, two, three = _WIDTHS
        self.down = nn.ModuleList((_Level(_CHANNELS, one), _Level(one, two), _Level(two, three)))
        self.up = nn.ModuleList((_Level(three + two, two), _Level(two + one, one)))
        self.head = nn.Conv3d(one, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, 1, D, H, W)."""
        ways = []
        for number, level in enumerate(self.down):
            x = level(F.max_pool3d(x, 2) if number else x)
            ways.append(x)
        for level, way in zip(self.up, ways[-2::-1], strict=True):
            x = level(torch.cat((F.interpolate(x, scale_factor=2.0), way), 1))
        return cast(Tensor, self.head(x))


@dataclass(frozen=True, slots=True, eq=False)
class VoxelGrid:
    """Which voxel each point lies in.

    Parameters
    ----------
    at : ndarray of int, shape (N, 3)
    shape : (int, int, int)
        Multiples of 4.
    edge : float
        Of a voxel, in the cloud's unit.
    """

    at: NDArray[np.intp]
    shape: tuple[int, ...]
    edge: float

    @classmethod
    def of(cls, points: Points) -> "VoxelGrid":
        """Return the grid of a cloud, `SIDE` voxels along its longest side."""
        low = points.min(axis=0)
        extent = points.max(axis=0) - low
        # a cloud of one place has no extent
        edge = max(float(extent.max()) / SIDE, 1e-9)
        at = np.minimum((points - low) / edge, SIDE - 1).astype(np.intp)
        shape = tuple(int(-(-(n + 1) // 4) * 4) for n in at.max(axis=0))
        return cls(at, shape, edge)

    def filled(self, values: FloatArray) -> FloatArray:
        """Return the mean of the values (N, C) in each voxel, (C, D, H, W); 0 where none is."""
        flat = np.ravel_multi_index(tuple(self.at.T), self.shape)
        count = np.maximum(np.bincount(flat, minlength=int(np.prod(self.shape))), 1)
        sums = [np.bincount(flat, one, len(count)) / count for one in values.T]
        return np.asarray(sums, np.float32).reshape(-1, *self.shape)

    def taken(self, volume: FloatArray) -> FloatArray:
        """Return the value of a volume at each point, (N,)."""
        values: FloatArray = volume[tuple(self.at.T)]
        return values


def cloud_input(
    grid: VoxelGrid,
    points: Points,
    colours: FloatArray | None,
    clicks: Sequence[PointClick],
    edge: float,
) -> FloatArray:
    """Return what the network sees, (6, D, H, W): colours, what is there, cubes of clicks."""
    there = np.ones((len(points), 1), np.float32)
    seen = np.full((len(points), 3), 0.5, np.float32) if colours is None else colours
    cubes = click_channels(points, clicks, edge=max(edge, _CUBE_VOXELS * grid.edge))
    return grid.filled(np.hstack([seen, there, cubes]))


class CloudNetwork:
    """A trained network; asked as `inference.point_cloud.segment` is."""

    def __init__(self, net: CloudNet, device: str = "auto") -> None:
        self.device = choose_device(device)
        self.net = net.eval().to(self.device)

    def segment(
        self,
        points: Points,
        clicks: Sequence[PointClick],
        *,
        colours: FloatArray | None = None,
        edge: float = CUBE,
    ) -> FloatArray:
        """Return how likely each point belongs to the object, float32 (N,) in [0, 1].

        Parameters
        ----------
        points : ndarray of float, shape (N, 3)
        clicks : sequence of PointClick
            Of at least one positive.
        colours : ndarray of float32, shape (N, 3), optional
        edge : float
            Of the cubes; three voxels at least.

        Raises
        ------
        PromptError
            If there is no positive click, or no point.
        """
        if not len(points) or not any(click.positive for click in clicks):
            raise PromptError(
                f"nothing to go by: expected a positive click and points, got {len(clicks)} clicks "
                f"and {len(points)} points. Click on the object."
            )
        grid = VoxelGrid.of(points)
        x = torch.from_numpy(cloud_input(grid, points, colours, clicks, edge))[None]
        with memory_guard(self.device), torch.inference_mode():
            prob = self.net(x.to(self.device))[0, 0].sigmoid().cpu().numpy()
        return grid.taken(np.asarray(prob, np.float32))


def load_cloud_network(weights: str | Path, *, device: str = "auto") -> CloudNetwork:
    """Return a network of `train_cloud`, by its file, or its name in the weights folders.

    Raises
    ------
    WeightsError
        If the file is missing, or of another network.
    """
    return CloudNetwork(load_own(CloudNet(), weights, CLOUD, "cloud"), device)


def make_scan(rng: np.random.Generator) -> LabelledCloud:
    """Return a made room, about 4 m wide: floor, two walls, balls, boxes and cans on it.

    Seen from one place: surfaces that face away from it are missing, as in a scan.
    """
    size = rng.uniform(2.5, 4.5)
    camera = np.array([rng.uniform(0.6, 1.0) * size, rng.uniform(0.6, 1.0) * size, 1.7])
    parts = [_wall(axis, size, rng) for axis in range(3)]
    for number in range(1, int(rng.integers(3, 7))):
        points, normals = _shape(rng)
        middle = np.array([*rng.uniform(0.15, 0.85, 2) * size, 0.0])
        points = points + middle
        faces = ((camera - points) * normals).sum(1) > 0
        colour = rng.uniform(0, 1, 3)
        parts.append((points[faces], colour, number))
    points = np.concatenate([one for one, _, _ in parts])
    points = points + rng.normal(0, 0.004, points.shape)
    colours = np.concatenate([np.tile(colour, (len(one), 1)) for one, colour, _ in parts])
    colours = colours * rng.uniform(0.7, 1.1) + rng.normal(0, 0.05, colours.shape)
    objects = np.concatenate([np.full(len(one), number) for one, _, number in parts])
    return LabelledCloud(
        points, np.clip(colours, 0, 1).astype(np.float32), objects.astype(np.int32)
    )


def _wall(
    axis: int, size: float, rng: np.random.Generator
) -> tuple[Points, NDArray[np.float64], int]:
    points = rng.uniform(0, size, (int(180 * size**2), 3))
    points[:, 2] = np.minimum(points[:, 2], 2.2)
    points[:, axis] = 0
    return points, rng.uniform(0.3, 1, 3), 0


def _shape(rng: np.random.Generator) -> tuple[Points, Points]:
    """Return points on a ball, a box or a can that stands on the floor, and their normals."""
    half = rng.uniform(0.15, 0.5, 3)
    kind, count = int(rng.integers(3)), int(1500 * half.max())
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    if kind == 0:
        points = normals * half[0]
        half[2] = half[0]
    elif kind == 1:
        side = rng.integers(3, size=count)
        points = rng.uniform(-1, 1, (count, 3))
        ends = np.where(rng.random(count) < 0.5, -1.0, 1.0)
        points[np.arange(count), side] = ends
        normals = np.zeros((count, 3))
        normals[np.arange(count), side] = ends
        points *= half
    else:
        normals[:, 2] = 0
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        points = normals * half[0]
        points[:, 2] = rng.uniform(-half[2], half[2], count)
    return points + np.array([0, 0, half[2]]), normals


def next_point_click(points: Points, found: NDArray[np.bool_], wanted: NDArray[np.bool_],
                     rng: np.random.Generator) -> PointClick | None:  # fmt: skip
    """Return a click on the deepest error, as the authors' code has it; None without one.

    What is missed and what is too much are looked at apart: an error is as deep as it is far from
    all that is no error of its kind. Of each, two hundred points drawn at random are looked at.
    """
    best, deepest = None, -1.0
    for positive in (True, False):
        is_wrong = (found != wanted) & (wanted == positive)
        wrong, rest = np.flatnonzero(is_wrong), points[~is_wrong]
        if not wrong.size:
            continue
        looked = rng.choice(wrong, min(200, wrong.size), replace=False)
        away = cKDTree(rest).query(points[looked])[0] if len(rest) else np.zeros(looked.size)
        if away.max() > deepest:
            deepest = float(away.max())
            x, y, z = (float(v) for v in points[int(looked[int(np.argmax(away))])])
            best = PointClick((x, y, z), positive)
    return best


def read_scans(folder: Path) -> list[LabelledCloud]:
    """Return the clouds of a folder: ``.npy`` files of rows x, y, z, red, green, blue, object.

    Raises
    ------
    DataError
        If a file is damaged, or holds other rows.
    """
    return [_read_cloud(path) for path in sorted(folder.glob("*.npy"))]


def _read_cloud(path: Path) -> LabelledCloud:
    try:
        checked_bytes(path)
        table = np.load(path, allow_pickle=False)
        shape = table.shape
        is_fine = len(shape) == 2 and shape[1] == 7 and table.dtype.kind in "uif"
        is_fine = is_fine and len(table) > 0 and bool(np.isfinite(table).all())
    # a damaged file ends anywhere
    except (OSError, ValueError, EOFError, SyntaxError) as err:
        shape, is_fine = err, False
    if not is_fine:
        raise DataError(
            "cloud cannot be learnt from: expected rows of x, y, z, red, green, blue, object, got "
            f"{shape} in {str(path)!r}. Write seven finite numbers a row."
        )
    colours = table[:, 3:6] / (255 if table[:, 3:6].max() > 1 else 1)
    points = table[:, :3].astype(float)
    return LabelledCloud(points, colours.astype(np.float32), table[:, 6].astype(int))


@dataclass(frozen=True, slots=True)
class CloudOptions:
    """What a run is asked to do.

    Parameters
    ----------
    folders : tuple of Path
        See `read_scans`.
    output : Path
    name : str
    steps : int
        Each learns from one object of one cloud.
    minutes : float or None
        Stop by the clock instead.
    made : float
        Share of steps that learn from made scans; of folders without clouds all do.
    rate : float
    seed : int
    device : str
    """

    folders: tuple[Path, ...]
    output: Path
    name: str = "cloud"
    steps: int = 300
    minutes: float | None = None
    made: float = 0.5
    rate: float = RATE
    seed: int = 0
    device: str = "auto"


def train_cloud(
    options: CloudOptions,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> tuple[Path, int, bool]:
    """Train on clouds and made scans; return the weights file, the steps, and whether it stopped.

    Raises
    ------
    DataError
        If there is no cloud and no share of made scans.
    """
    scans = [scan for folder in options.folders for scan in read_scans(folder)]
    if not scans and options.made <= 0:
        raise DataError(
            "no clouds to learn from: expected .npy files, or made scans, got neither in "
            f"{', '.join(map(str, options.folders))}. Say --synthetic 1 for made scans."
        )
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    network = CloudNetwork(CloudNet(), options.device)
    net, begun, step, stopped = network.net.train(), time.monotonic(), 0, False
    optimiser = torch.optim.AdamW(net.parameters(), options.rate)
    seconds = None if options.minutes is None else 60 * options.minutes
    while True:
        done = step / options.steps if seconds is None else (time.monotonic() - begun) / seconds
        stopped = should_stop is not None and should_stop()
        if done >= 1 or stopped:
            break
        for group in optimiser.param_groups:
            group["lr"] = options.rate * min(1.0, 20 * done + 0.01) * (1 + np.cos(np.pi * done)) / 2
        made = not scans or rng.random() < options.made
        scan = make_scan(rng) if made else scans[int(rng.integers(len(scans)))]
        loss = _step_loss(network, scan, rng)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step += 1
        if on_progress is not None:
            total = options.steps if seconds is None else round(seconds)
            on_progress(step if seconds is None else min(total, round(done * total)), total)
    net.eval()
    card = f"learnt in {step} steps, from {len(scans)} clouds and made scans"
    path = options.output / f"{options.name}.safetensors"
    write_weights(path, net.state_dict(), architecture=CLOUD, card=card)
    return path, step, stopped


def _step_loss(network: CloudNetwork, scan: LabelledCloud, rng: np.random.Generator) -> Tensor:
    """Return the loss of one object after up to four clicks on errors, as a person corrects."""
    values = np.unique(scan.objects[scan.objects > 0])
    wanted = scan.objects == (values[int(rng.integers(values.size))] if values.size else 0)
    first = scan.points[int(rng.choice(np.flatnonzero(wanted)))]
    clicks = [PointClick((float(first[0]), float(first[1]), float(first[2])))]
    for _ in range(int(rng.integers(0, 4))):
        with torch.no_grad():
            found = network.segment(scan.points, clicks, colours=scan.colours) > 0.5
        click = next_point_click(scan.points, found, wanted, rng)
        clicks += [] if click is None else [click]
    grid = VoxelGrid.of(scan.points)
    x = torch.from_numpy(cloud_input(grid, scan.points, scan.colours, clicks, CUBE))[None]
    truth = torch.from_numpy(grid.filled(wanted[:, None].astype(np.float32)))[None]
    x, truth = x.to(network.device), truth.to(network.device)
    there = (x[:, 3:4] > 0).float()
    logits = network.net(x)
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * there
    prob = logits.sigmoid() * there
    dice = 1 - (2 * (prob * truth).sum() + 1) / (prob.sum() + truth.sum() + 1)
    loss: Tensor = each.sum() / there.sum() + dice
    return loss


def measure_cloud(
    segment: Callable[..., FloatArray],
    scans: Sequence[LabelledCloud],
    clicks: int,
    *,
    seed: int = 0,
) -> FloatArray:
    """Return the mean IoU of all objects after each click of a robot user, (clicks,).

    Parameters
    ----------
    segment : callable
        `CloudNetwork.segment`, or `inference.point_cloud.segment`.
    scans : sequence of LabelledCloud
    clicks : int
        Of each object.
    seed : int
    """
    rows = []
    for scan in scans:
        for value in np.unique(scan.objects[scan.objects > 0]):
            # the same first click whoever answers
            rng = np.random.default_rng((seed, int(value)))
            wanted, found = scan.objects == value, np.zeros(len(scan.points), bool)
            given: list[PointClick] = []
            ious = []
            for _ in range(clicks):
                click = next_point_click(scan.points, found, wanted, rng)
                if click is not None:
                    given.append(click)
                    found = segment(scan.points, given, colours=scan.colours) > 0.5
                ious.append(np.count_nonzero(found & wanted) / np.count_nonzero(found | wanted))
            rows.append(ious)
    return np.asarray(np.mean(rows, axis=0), np.float32)

"""What a napari plugin weighs, how fast it starts, what it shows and which files it opens.

Each plugin is installed into an environment of its own, of which this is given the Python:

    python -m venv /tmp/peer && /tmp/peer/bin/pip install micro-sam "napari[pyqt6]"
    xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/peers.py \
        --python /tmp/peer/bin/python --package micro_sam.sam_annotator \
        --plugin micro_sam --widget "Annotator 2d"

Nothing of the plugin is run but its widget: no model is loaded, since weights of others do not
come with their packages. Without ``--plugin`` it is napari alone. At the end it opens eleven
common kinds of file, made here, as *File › Open* does; with ``--files FOLDER`` it opens those in a
folder and does nothing else (a folder of ``.dcm`` files, or a ``.zarr`` one, counts as one file).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

SCREEN_PX = (1366, 768)
SPACING_MM = (3.0, 0.5, 0.7)
SHAPE = (12, 40, 50)
FIRST = "PEERS_FIRST"
"""Names, in the environment of a child, of what it imports before napari."""


# ---- in the environment that is measured: nothing but it, napari and the standard library


def installed() -> dict[str, Any]:
    """Count what is installed, without compiled bytecode, and tell versions."""
    sizes: dict[str, int] = {}
    versions, light = {}, set()
    for package in distributions():
        name = package.metadata["Name"].lower()
        versions[name] = package.version
        paths = [Path(str(package.locate_file(file))) for file in package.files or ()]
        for path in paths:
            if path.suffix != ".pyc" and path.is_file():
                sizes[str(path.resolve())] = path.stat().st_size
        if not (name in ("torch", "triton") or name.startswith(("nvidia-", "cuda-"))):
            light.update(map(str, map(Path.resolve, paths)))
    return {
        "packages": len(versions),
        "files": len(sizes),
        "mb": round(sum(sizes.values()) / 1e6),
        "mb_without_torch": round(sum(sizes[path] for path in sizes.keys() & light) / 1e6),
        "versions": versions,
    }


def open_window(plugin: str, widget: str, *, image: bool, picture: str) -> dict[str, Any]:
    """Open napari with the widget and count its controls that are in view."""
    import napari
    import numpy as np
    from qtpy.QtWidgets import (
        QAbstractButton,
        QAbstractSlider,
        QAbstractSpinBox,
        QApplication,
        QComboBox,
        QLineEdit,
        QScrollBar,
    )

    viewer = napari.Viewer()
    viewer.window.resize(*SCREEN_PX)
    if image:
        viewer.add_image(np.zeros(SHAPE, np.float32), name="image")
    inner = None
    if plugin:
        _, inner = viewer.window.add_plugin_dock_widget(plugin, widget)
    for _ in range(20):
        QApplication.processEvents()
        time.sleep(0.01)
    if inner is None:
        return {}
    qt = getattr(inner, "native", inner)
    kinds = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit)
    controls = [
        control
        for kind in kinds
        for control in qt.findChildren(kind)
        # parts of other controls: the text of a spin box or a list, bars of scrolling
        if not isinstance(control, QScrollBar)
        and not isinstance(control.parent(), (QAbstractSpinBox, QComboBox))
    ]
    seen = [c for c in controls if c.isVisible() and not c.visibleRegion().isEmpty()]
    if picture:
        viewer.window._qt_window.grab().save(picture)
    usable = [control for control in seen if control.isEnabled()]
    return {"controls": len(controls), "in_view": len(seen), "usable": len(usable)}


def open_files(paths: list[str]) -> dict[str, Any]:
    """Open each path as the menu does; tell shape, scale and unit of the layer, or the error."""
    import napari
    from npe2 import PluginManager

    viewer = napari.Viewer(show=False)
    told: dict[str, Any] = {}
    for path in paths:
        # a person is asked which reader; one of a plugin knows more than napari's own
        plugins = PluginManager.instance().iter_compatible_readers([path])
        readers = sorted({p.plugin_name for p in plugins}, key=lambda name: name == "napari")
        for reader in readers or ["napari"]:
            viewer.layers.clear()
            try:
                layer = viewer.open(path, plugin=reader)[0]
                shape = [int(n) for n in layer.data.shape]
                layer.data[(0,) * (len(shape) - 2)]  # lazy ones fail here
            except (Exception, SystemExit) as err:
                lines = [*str(err).splitlines(), ""]
                told.setdefault(path, {"error": f"{type(err).__name__}: {lines[0][:90]}"})
            else:
                scale, units = [float(s) for s in layer.scale], [str(u) for u in layer.units]
                told[path] = {"reader": reader, "shape": shape, "scale": scale, "units": units}
                break
    return told


# ---- in this environment


@dataclass(frozen=True, slots=True)
class Run:
    """One process: what it printed, its wall and processor time."""

    told: dict[str, Any]
    wall_s: float
    cpu_s: float


def run(python: str, *words: str) -> Run:
    """Run this file in another environment and time the process."""
    keep = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        # one thread: what is compared is the work, not the number of cores
        env = {**keep, "OMP_NUM_THREADS": "1", "NAPARI_CATCH_ERRORS": "0"}
        child = subprocess.Popen([python, *words], stdout=out, env=env)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        lines = [line for line in out if line.startswith("{")]
    if child.returncode:
        raise SystemExit(f"{python} {' '.join(words)[:200]}: ended with {child.returncode}")
    return Run(json.loads(lines[-1]) if lines else {}, wall, used.ru_utime + used.ru_stime)


def median(python: str, times: int, *words: str) -> Run:
    """Run so many times and take the medians."""
    runs = [run(python, *words) for _ in range(times)]
    return Run(
        runs[-1].told,
        statistics.median(r.wall_s for r in runs),
        statistics.median(r.cpu_s for r in runs),
    )


def make_files(folder: Path) -> None:
    """Write one volume as eleven kinds of file, by libraries that both sides use."""
    import h5py
    import imageio.v3 as iio
    import nibabel as nib
    import numpy as np
    import SimpleITK as sitk
    import tifffile
    import zarr

    z, y, x = np.ogrid[tuple(slice(0, n) for n in SHAPE)]
    data = (z * 1000 + y * 20 + x).astype(np.int16)
    image = sitk.GetImageFromArray(data)
    image.SetSpacing(SPACING_MM[::-1])
    for name in ("volume.nrrd", "volume.mha", "volume.mhd"):
        sitk.WriteImage(image, str(folder / name))
    nib.Nifti1Image(data.T, np.diag([*SPACING_MM[::-1], 1])).to_filename(folder / "volume.nii.gz")
    # micrometres here and in OME: the numbers are the same
    told = {"axes": "ZYX", "spacing": SPACING_MM[0], "unit": "um"}
    dots = (1 / SPACING_MM[2], 1 / SPACING_MM[1])
    tifffile.imwrite(folder / "imagej.tif", data, imagej=True, resolution=dots, metadata=told)
    sizes = {f"PhysicalSize{a}": s for a, s in zip("ZYX", SPACING_MM, strict=True)}
    tifffile.imwrite(folder / "volume.ome.tif", data, metadata={"axes": "ZYX", **sizes})
    with h5py.File(folder / "volume.h5", "w") as file:
        file["volume"] = data
    np.save(folder / "volume.npy", data)
    iio.imwrite(folder / "slice.png", (data[0] % 256).astype(np.uint8))
    iio.imwrite(folder / "slice.jpg", (data[0] % 256).astype(np.uint8))
    group = zarr.open_group(folder / "volume.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=data)
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": list(SPACING_MM)}]
    level = {"path": "0", "coordinateTransformations": scale}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]


def files_of(folder: Path) -> list[str]:
    """Return what a person would open in a folder: files, folders of DICOM slices, OME-Zarr."""
    found: set[Path] = set()
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        zarr = next((n for n, part in enumerate(parts) if part.endswith(".zarr")), None)
        if zarr is not None:
            found.add(folder.joinpath(*parts[: zarr + 1]))
        elif path.suffix == ".dcm":
            found.add(path.parent)
        elif path.is_file() and path.suffix not in (".raw", ".out", ".jsonl"):
            found.add(path)
    return sorted(map(str, found))


def report_plugin(args: argparse.Namespace) -> None:
    """Print what is installed, how long it takes to start, and what it shows."""
    here = run(args.python, __file__, "--child", "installed").told
    versions = here.pop("versions")
    print(f"{args.plugin or 'napari alone'}: {json.dumps(here)}")
    names = ("napari", "torch", *{args.plugin.lower(), args.plugin.lower().replace("_", "-")})
    print({name: versions[name] for name in names if name in versions})
    opening = (__file__, "--child", "window", args.plugin, args.widget, "")
    run(args.python, *opening)  # not measured: afterwards bytecode is there
    window = median(args.python, args.times, *opening)
    print(f"window open: {window.wall_s:.1f} s, processor {window.cpu_s:.1f} s")
    only = median(args.python, args.times, "-c", f"import {args.package}")
    print(f"import {args.package}: {only.wall_s:.1f} s, processor {only.cpu_s:.1f} s")
    if args.plugin:
        counted = run(
            args.python, __file__, "--child", "controls", args.plugin, args.widget, args.picture
        )
        print(f"controls: {counted.told}")


def report_files(python: str, paths: list[str], folder: Path) -> None:
    """Print which paths were opened, and with which spacing."""
    told = run(python, __file__, "--child", "files", *paths).told
    opened = [path for path in paths if "error" not in told[path]]
    print(f"files opened: {len(opened)} of {len(paths)}")
    for path in paths:
        print(f"  {Path(path).relative_to(folder)}: {json.dumps(told[path])}")


def child(kind: str, words: list[str]) -> None:
    """Do one thing in the environment that is measured, print it and end at once."""
    for name in os.environ.get(FIRST, "").split():
        import_module(name)
    if kind == "installed":
        told = installed()
    elif kind == "files":
        told = open_files(words)
    else:
        plugin, widget, picture = words
        told = open_window(plugin, widget, image=kind == "controls", picture=picture)
    print(json.dumps(told), flush=True)
    os._exit(0)


def main() -> None:
    """Measure one environment and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="of the environment to measure")
    parser.add_argument("--package", default="napari", help="what is imported alone")
    parser.add_argument("--plugin", default="", help="its name as napari knows it")
    parser.add_argument("--widget", default="", help="the name of the widget that is opened")
    parser.add_argument("--files", type=Path, help="a folder of files to open, and nothing else")
    parser.add_argument(
        "--first", default="", help="imported before napari: torchvision may crash after Qt"
    )
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--picture", default="", help="where a picture of the window is written")
    args = parser.parse_args()
    os.environ[FIRST] = args.first
    if args.files is None:
        report_plugin(args)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.files or Path(temporary)
        if args.files is None:
            make_files(folder)
        report_files(args.python, files_of(folder), folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
    else:
        main()

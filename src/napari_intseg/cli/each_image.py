"""One command for every image of a folder or a pattern: one by one, in processes, on a cluster."""

import argparse
import copy
import glob
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_intseg.cli.output_forms import stop_on_interrupt
from napari_intseg.cli.shared_options import FAILED, INTERRUPTED
from napari_intseg.errors import DataError, FileError, IntSegError, PromptError
from napari_intseg.io.suffixes import KINDS, READABLE, WRITABLE, ending_of

LABELS = "_labels"
"""What `batch`, `start` and `more` add to an image's name."""


def stem_of(path: Path) -> str:
    """Return a file's name without its known ending."""
    ending = ending_of(Path(path.name)) or ""
    return path.name[: len(path.name) - len(ending)] if ending else path.name


def labels_name(image: Path, form: str | None = None) -> str:
    """Return the name of an image's labels: in the image's own format if that can be written."""
    ending = ending_of(Path(image.name)) or ""
    if form is None:
        form = ending if ending in WRITABLE else ".png"
        if KINDS.get(ending) == "dicom" or not ending:
            form = ".nii.gz"
    return f"{stem_of(image)}{LABELS}{form}"


def images_of(given: Path) -> list[Path]:
    """Return the images that a path or a pattern names, sorted.

    A folder without an image that has a known name, or with DICOM files alone, is an image itself.

    Raises
    ------
    FileError
        If there is nothing of that name and it is no pattern.
    """
    if given.exists():
        return _images_in(given)
    if not glob.has_magic(str(given)):
        raise FileError(
            f"input is missing: expected an image, a folder or a pattern, got {str(given)!r}. "
            "Check the name."
        )
    found = [Path(one) for one in sorted(glob.glob(str(given), recursive=True))]  # noqa: PTH207
    return [one for one in found if one.is_dir() or ending_of(one) in READABLE]


def is_many(given: Path) -> bool:
    """Whether a path is a pattern, or a folder of images."""
    if not given.exists():
        return glob.has_magic(str(given))
    return given.is_dir() and _images_in(given) != [given]


def add_running(group: Any) -> None:
    """Declare where several images, or tiles of one, are worked on."""
    group.add_argument("--workers", type=int, default=1, metavar="N", help="processes; default 1")
    group.add_argument("--scheduler", metavar="ADDRESS", help="a dask cluster instead")
    group.add_argument(
        "--insecure", action="store_true", help="a cluster on another machine without TLS"
    )


def check_running(args: argparse.Namespace, *, several: str, is_several: bool) -> None:
    """Refuse options of `add_running` that cannot be used.

    Parameters
    ----------
    args : Namespace
        With them.
    several : str
        What they are for, in words.
    is_several : bool
        Whether that is there.

    Raises
    ------
    PromptError
        If they have no effect, or there are too few workers.
    """
    given = [n for n in ("scheduler", "insecure") if getattr(args, n)]
    given += ["workers"] * (args.workers != 1)
    if given and not is_several:
        raise PromptError(
            f"--{given[0]} has no effect: expected it with {several}, got it alone. Leave it out."
        )
    if args.workers < 1:
        raise PromptError(
            f"workers are too few: expected at least 1, got {args.workers!r}. Leave it out."
        )


@dataclass(frozen=True, slots=True)
class ImageJob:
    """One image of several.

    Parameters
    ----------
    image, target : Path
        What is read, and what is written.
    args : Namespace
        The options of the command, for this image.
    run : callable
        The command, with a name that can be imported.
    """

    image: Path
    target: Path
    args: argparse.Namespace
    run: Callable[[argparse.Namespace], int]


def run_job(job: ImageJob) -> tuple[int, str]:
    """Return the exit status of a command on one image, and the error if there was one."""
    try:
        return job.run(job.args), ""
    except IntSegError as err:
        return FAILED, str(err)
    except Exception as err:
        # whatever it is, the other images go on
        return FAILED, f"{type(err).__name__}: {err}"


def run_each(
    args: argparse.Namespace,
    run: Callable[[argparse.Namespace], int],
    *,
    of: str,
    beside: Sequence[str] = (),
    name: Callable[[Path], str],
) -> int:
    """Run a command once for each image; one that fails is told and does not end the others.

    Parameters
    ----------
    args : Namespace
        Its `output` is a folder, made if need be; see `add_running` as well.
    run : callable
        The command for one image.
    of : str
        The argument that names the images.
    beside : sequence of str
        Arguments that may be folders, too, with a file for each image: of its name, with
        ``_labels`` more or less.
    name : callable
        Gives the name of what is written for an image.

    Returns
    -------
    int
        0; 1 if some failed; 130 when interrupted.

    Raises
    ------
    DataError, FileError
        Before anything is done: if there is no image, the output is a file, or two images would be
        written to one.
    """
    check_running(args, several="several images", is_several=True)
    images = images_of(getattr(args, of))
    targets = _targets(args, images, name)
    jobs, done = list[ImageJob](), 0
    for image, target in zip(images, targets, strict=True):
        try:
            own = _own(args, image, of, beside)
        except IntSegError as err:
            _tell_failed(image, str(err))
            continue
        own.output = target
        jobs.append(ImageJob(image, target, own, run))
    failed = len(images) - len(jobs)
    for job, (outcome, error) in _outcomes(args, jobs):
        if error:
            failed += 1
            _tell_failed(job.image, error)
            continue
        done += 1
        if not args.quiet:
            print(f"{job.image}: wrote {job.target}")
        # Ctrl-C ends all of it, not one image
        if outcome == INTERRUPTED:
            return INTERRUPTED
    if not args.quiet:
        print(f"{done} of {len(images)} done")
    if done + failed < len(images):
        return INTERRUPTED
    return FAILED if failed else 0


def _own(
    args: argparse.Namespace, image: Path, of: str, beside: Sequence[str]
) -> argparse.Namespace:
    """Return the options for one image, its own since a command may write into them."""
    own = copy.copy(args)
    setattr(own, of, image)
    own.quiet = True
    own.workers, own.scheduler, own.insecure = 1, None, False
    # a command may keep its model for the next image
    own.is_of_several = True
    for other in beside:
        given = getattr(args, other)
        if given is not None and given.is_dir():
            setattr(own, other, _beside(given, image))
    return own


def _tell_failed(image: Path, error: str) -> None:
    print(f"{image}: failed: {' '.join(error.split())}", file=sys.stderr)


def _outcomes(
    args: argparse.Namespace, jobs: Sequence[ImageJob]
) -> Iterator[tuple[ImageJob, tuple[int, str]]]:
    """Yield the jobs with what came of them."""
    from napari_intseg.core.workers import Died, futures_on_cluster, run_in_workers

    if args.scheduler is None and args.workers == 1:
        # here Ctrl-C is for the command itself, which keeps what it has done of an image
        yield from ((job, run_job(job)) for job in jobs)
        return
    with stop_on_interrupt() as stop:
        if args.scheduler is None:
            for job, outcome in run_in_workers(run_job, jobs, args.workers, stop):
                yield job, (FAILED, str(outcome)) if isinstance(outcome, Died) else outcome
            return
        for job, future in futures_on_cluster(
            run_job, jobs, args.scheduler, stop, insecure=args.insecure
        ):
            # what dask itself raises: its workers died, or the cluster is gone
            err = future.exception()
            lost = FAILED, f"{type(err).__name__}: {err}"
            yield job, future.result() if err is None else lost


def _targets(
    args: argparse.Namespace, images: Sequence[Path], name: Callable[[Path], str]
) -> list[Path]:
    if not images:
        raise DataError("nothing to do: expected images, got none of that name. Check it.")
    if args.output.is_file() or ending_of(args.output) in WRITABLE:
        raise FileError(
            f"output is a file: expected a folder for {len(images)} images, got "
            f"{str(args.output)!r}. Give the name of a folder."
        )
    names = [name(image) for image in images]
    # two images that differ in their ending alone would be written to one file
    double = next((one for one in names if names.count(one) > 1), None)
    if double is not None:
        raise DataError(
            f"output is there twice: expected a name of its own for each image, got {double!r} for "
            "two. Give them one folder after the other."
        )
    targets = [args.output / one for one in names]
    # before the first is written, since it may be one that is read later; by what files are, not
    # by their names
    found = [image.stat() for image in images if image.exists()]
    read = {(about.st_dev, about.st_ino) for about in found}
    for target in targets:
        if target.exists() and (target.stat().st_dev, target.stat().st_ino) in read:
            raise FileError(
                f"output is an input: expected a folder where no image would be replaced, got "
                f"{str(args.output)!r}, where {target.name!r} is one that is read. Choose another "
                "folder; what is read is never replaced."
            )
    args.output.mkdir(parents=True, exist_ok=True)
    return targets


def _beside(folder: Path, image: Path) -> Path:
    wanted = {stem_of(image), stem_of(image) + LABELS, stem_of(image).removesuffix(LABELS)}
    found = [one for one in sorted(folder.iterdir()) if stem_of(one) in wanted and _is_image(one)]
    if len(found) != 1:
        raise FileError(
            f"nothing goes with {image.name!r}: expected one file of its name in {str(folder)!r}, "
            f"got {len(found)}. Add it."
        )
    return found[0]


def _images_in(path: Path) -> list[Path]:
    if not path.is_dir() or ending_of(path) == ".zarr":
        return [path]
    known = [one for one in sorted(path.iterdir()) if _is_image(one)]
    if all(ending_of(one) == ".dcm" for one in known):
        # DICOM files alone are one series
        return [path]
    return known


def _is_image(path: Path) -> bool:
    is_right = path.is_dir() if path.name.lower().endswith(".zarr") else path.is_file()
    return is_right and not path.name.startswith(".") and ending_of(path) in READABLE

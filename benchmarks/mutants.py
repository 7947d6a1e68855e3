"""Change the code of a room at random, one place at a time; count the changes its tests notice.

    pip install mutmut
    python benchmarks/mutants.py core --number 150 --seed 0

It works in a copy of what is committed, with the Python that it runs on, in one process. Tests that
are slow or that start Python anew are left out: the changes are made inside of one process. What
survived is printed with its change; a change of nothing but the text of a message is counted apart,
since tests compare the part of a message that a reader acts on.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
# a room is tested by the tests of its name, and by those of the room that it is used through
TESTS = {
    "core": ["tests/core", "tests/inference/test_recognition.py"],
    "inference": ["tests/inference", "tests/core/test_level_set.py"],
    "propagation": [
        "tests/propagation",
        "tests/session/test_propagate.py",
        "tests/session/test_propagate_all.py",
        "tests/session/test_tracking.py",
    ],
    "session": ["tests/session"],
}
# they start Python anew, or compare times
LEFT_OUT = "not slow and not kill and not whenever and not real and not process"
# of canvas.py mutmut 3.8.1 makes a file that is no Python
SETTINGS = """\
[mutmut]
source_paths =
    src/napari_intseg
only_mutate =
    src/napari_intseg/{room}/*
do_not_mutate =
    src/napari_intseg/session/masks/canvas.py
also_copy =
    napari.yaml
    weights
    docs
    benchmarks
    examples
pytest_add_cli_args =
    -n0
    -q
    -Wignore
    -m
    not slow
    -k
    {left_out}
pytest_add_cli_args_test_selection =
    {tests}
"""
# exit codes of mutmut's workers: 0 nothing failed, 1 and 3 something did, 33 no test comes by
KINDS = {0: "survived", 1: "noticed", 3: "noticed", 33: "no test", 5: "no test"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: its name and how its tests ended, None where it was not tried."""

    name: str
    code: int | None

    @property
    def kind(self) -> str:
        """Say how it ended; what ran out of time or crashed was noticed as well."""
        return "not tried" if self.code is None else KINDS.get(self.code, "out of time or crashed")


def copy_commit(folder: Path) -> None:
    """Lay what is committed into a folder."""
    packed = subprocess.run(
        ["git", "archive", "HEAD"], cwd=CHECKOUT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")


def mutmut(folder: Path, *words: str) -> str:
    """Run mutmut in a folder and return what it printed; where it ends by an error, too."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *words],
        cwd=folder,
        env={**os.environ, **threads},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return done.stdout


def mutants_of(folder: Path) -> list[Mutant]:
    """Return every change that mutmut made in a folder."""
    found = []
    for path in sorted((folder / "mutants").rglob("*.meta")):
        codes = json.loads(path.read_text("utf-8"))["exit_code_by_key"]
        found += [Mutant(name, code) for name, code in codes.items()]
    return found


def only_text(change: str) -> bool:
    """Say whether a change is one of nothing but the text of a message."""
    lines = change.splitlines()
    old, new = (
        [
            line[1:].replace("XX", "").lower()
            for line in lines
            if line.startswith(sign) and not line.startswith(sign * 3)
        ]
        for sign in "-+"
    )
    return old == new


def main() -> None:
    """Make the changes of a room, try a sample and print the count and what survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("room", choices=TESTS)
    parser.add_argument("--number", type=int, default=150, help="how many changes are tried")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work, kept; default: a temporary one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        copy_commit(folder)
        settings = SETTINGS.format(
            room=args.room, left_out=LEFT_OUT, tests="\n    ".join(TESTS[args.room])
        )
        (folder / "setup.cfg").write_text(settings, "utf-8")
        # no change has this name: they are made, each test is timed, and none is tried
        told = mutmut(folder, "run", "--max-children", "1", "none")
        made = mutants_of(folder)
        if not made or not (folder / "mutants" / "mutmut-stats.json").is_file():
            raise SystemExit(told)
        names = sorted(mutant.name for mutant in made)
        sample = random.Random(args.seed).sample(names, min(args.number, len(names)))
        told = mutmut(folder, "run", "--max-children", "1", *sample)
        tried = [mutant for mutant in mutants_of(folder) if mutant.name in set(sample)]
        if all(mutant.code is None for mutant in tried):
            raise SystemExit(told)
        report(folder, args.room, len(made), tried)


def report(folder: Path, room: str, made: int, tried: list[Mutant]) -> None:
    """Print how many changes were noticed, and each that was not."""
    left = [mutant for mutant in tried if mutant.kind in ("survived", "no test")]
    changes = {mutant.name: mutmut(folder, "show", mutant.name) for mutant in left}
    texts = [name for name, change in changes.items() if only_text(change)]
    print(f"{room}: {made} possible changes, {len(tried)} tried")
    for kind, count in Counter(mutant.kind for mutant in tried).most_common():
        print(f"  {kind}: {count}")
    print(f"  of those not noticed, texts of messages: {len(texts)}")
    for mutant in left:
        if mutant.name not in texts:
            print(f"\n## {mutant.kind}: {mutant.name}\n{changes[mutant.name]}")


if __name__ == "__main__":
    main()

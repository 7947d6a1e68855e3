"""Mutation fuzzer of the readers: damaged files, each read in a process with limits.

    python tests/fuzz/fuzz_files.py --seconds 600 --seed 1 [--keep FOLDER] [KIND ...]

A finding is a file over which the process crashes, does not come to an end, takes much memory, or
raises what is none of our errors. The same seed makes the same files.
"""

import argparse
import gzip
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fuzz_corpus import MAKERS

LIMIT_S = 60.0
"""For a file of some kilobytes: the slowest whole ones take 0.2 s, on a busy machine ten times."""

GROWTH_KIB = 700_000
HEAD_BYTES = 700
NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WORDS = (
    b"%s", b"%n", b"%99999999d", b"-1", b"0", b"999999999", b"1e308", b"nan", b"LIST", b"LOCAL",
    b"../../../../etc/passwd", b"/dev/zero", b"//host/share/a", b"pickle", b"null", b"[]", b"{}",
    b"\x00", b"\n", b"\xff" * 8,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """A damaged file and what went wrong with it."""

    kind: str
    number: int
    what: str


class Reader:
    """The process that reads, started anew when it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._peak_kib = 0
        self.told = ""

    def look(self, path: Path, limit_s: float = LIMIT_S) -> str:
        """Return what went wrong with a file, "" if nothing; `told` is then what we say of it."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("fuzz_child.py")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            self._peak_kib = 0
        process, started = self._process, time.monotonic()
        watch = threading.Timer(limit_s, process.kill)
        watch.start()
        try:
            answer = self._answer(process, path)
        finally:
            watch.cancel()
        if answer is None:
            code = process.wait()
            self.close()
            slow = time.monotonic() - started >= limit_s
            return f"not read after {limit_s:.0f} s" if slow else f"the process ended with {code}"
        self.told = str(answer["told"])
        before, self._peak_kib = self._peak_kib, max(self._peak_kib, int(answer["peak_kib"]))
        if before and self._peak_kib - before > GROWTH_KIB:
            return f"it took {(self._peak_kib - before) // 1000} MB"
        return str(answer["raised"])

    @staticmethod
    def _answer(process: "subprocess.Popen[str]", path: Path) -> dict[str, Any] | None:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
        except BrokenPipeError:
            return None
        for line in process.stdout:  # what a library prints is passed over
            if line.startswith("\x1e"):
                found: dict[str, Any] = json.loads(line[1:])
                return found
        return None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def damaged(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Change a file in one to three places."""
    made = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        size = max(1, len(made))
        at = int(rng.integers(min(size, HEAD_BYTES) if rng.random() < 0.7 else size))
        kind = int(rng.integers(8))
        if kind == 0:
            del made[at:]
        elif kind == 1:
            made[at : at + 1] = bytes([int(rng.integers(256))])
        elif kind == 2:
            form = str(rng.choice(["<H", ">H", "<I", ">I", "<Q", ">Q", "<f"]))
            number = int(rng.choice(NUMBERS))
            width = struct.calcsize(form)
            number = number if form == "<f" else number & (256**width - 1)
            made[at : at + width] = struct.pack(form, number)
        elif kind == 3:
            made[at : at + int(rng.integers(1, 20))] = bytes(rng.choice(np.array(WORDS, object)))
        elif kind == 4:
            digits = [i for i, byte in enumerate(made[:HEAD_BYTES]) if 48 <= byte < 58]
            place = int(rng.choice(digits)) if digits else at
            made[place : place + 1] = bytes(rng.choice(np.array(WORDS, object)))
        elif kind == 5:
            del made[at : at + int(rng.integers(1, 40))]
        elif kind == 6:
            made[at:at] = made[at : at + int(rng.integers(1, 200))] * int(rng.integers(1, 9))
        else:
            start = int(rng.integers(max(1, len(other))))
            part = other[start : start + int(rng.integers(1, 64))]
            made[at : at + len(part)] = part
    return bytes(made)


def parts_of(path: Path) -> list[Path]:
    """Return the files of which one is damaged, in one order."""
    if path.is_file():
        beside = [p for p in path.parent.glob(path.stem + ".*raw*") if p != path]
        return [path, *beside]
    return sorted(
        (p for p in path.rglob("*") if p.is_file()), key=lambda p: (p.name[:2] == "0.", p)
    )


def fuzz(
    kinds: list[str],
    seed: int,
    *,
    rounds: int | None = None,
    seconds: float | None = None,
    keep: Path | None = None,
) -> Iterator[tuple[str, int, Finding | None, str]]:
    """Read damaged files; yield kind, number, what was found and what we said of each.

    Parameters
    ----------
    kinds : list of str
        Names in `fuzz_corpus.MAKERS`.
    seed : int
    rounds, seconds
        How many of each kind, or how long in all.
    keep : Path, optional
        Where files are kept over which something was found.
    """
    reader, end = Reader(), time.monotonic() + (seconds or float("inf"))
    with tempfile.TemporaryDirectory(prefix="intseg-fuzz-") as folder:
        wholes = {}
        for kind in kinds:
            (Path(folder) / kind).mkdir()
            wholes[kind] = MAKERS[kind](Path(folder) / kind, np.random.default_rng(seed))
        number = 0
        try:
            while time.monotonic() < end and (rounds is None or number < rounds):
                for kind in kinds:
                    yield kind, number, *_one(reader, kind, number, wholes, seed, keep)
                number += 1
        finally:
            reader.close()


def _one(
    reader: Reader, kind: str, number: int, wholes: dict[str, Path], seed: int, keep: Path | None
) -> tuple[Finding | None, str]:
    rng = np.random.default_rng([seed, number, list(MAKERS).index(kind)])
    whole = wholes[kind]
    parts = parts_of(whole)
    part = parts[number % len(parts)]
    others = parts_of(wholes[str(rng.choice(list(wholes)))])
    before, other = part.read_bytes(), others[0].read_bytes()
    inside = gzip.decompress(before) if kind.endswith(".gz") and number % 2 else None
    bad = damaged(before if inside is None else inside, other, rng)
    part.write_bytes(bad if inside is None else gzip.compress(bad, 1))
    reader.told = ""
    what = reader.look(whole)
    if what and keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        target = keep / f"{seed}-{number}-{whole.name}"
        copy = shutil.copytree if whole.is_dir() else shutil.copy
        copy(whole, target)
    part.write_bytes(before)
    return (Finding(kind, number, what) if what else None), reader.told


def main() -> int:
    """Fuzz as long as asked; return 1 if something was found."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(MAKERS)}")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=None, metavar="FOLDER")
    asked = parser.parse_args()
    unknown = set(asked.kinds) - set(MAKERS)
    if unknown:
        parser.error(f"expected kinds of {', '.join(MAKERS)}, got {', '.join(sorted(unknown))}")
    count, found, refused = 0, 0, 0
    kinds = asked.kinds or list(MAKERS)
    for _, _, finding, told in fuzz(kinds, asked.seed, seconds=asked.seconds, keep=asked.keep):
        count, found, refused = count + 1, found + bool(finding), refused + bool(told)
        if finding:
            print(f"{finding.kind} {finding.number}: {finding.what[:300]}", flush=True)  # noqa: T201
    print(f"{count} files, {refused} refused in one line, {found} findings")  # noqa: T201
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())

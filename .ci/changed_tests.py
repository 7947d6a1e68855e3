"""Print the tests to run for what differs from main: `make test-quick` gives them to pytest.

A changed test is run itself; a changed file of a room runs that room's tests. Rooms above it are
left to `make test`.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALWAYS = ("tests/core", "tests/test_imports.py")


def git(*words: str) -> list[str]:
    """Return the lines that git prints; none where it fails, as outside of a clone."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed(base: str) -> set[str]:
    """Return the paths that differ from where this branch left `base`, new files included."""
    since = git("merge-base", "HEAD", base) or ["HEAD"]
    return {
        *git("diff", "--name-only", since[0]),
        *git("ls-files", "--others", "--exclude-standard"),
    }


def tests_of(paths: set[str]) -> list[str]:
    """Return the folders and files of tests that belong to changed paths."""
    found = set(ALWAYS)
    for path in map(Path, sorted(paths)):
        parts = path.parts
        if parts[:2] == ("src", "napari_intseg") and len(parts) > 3:
            found.add(f"tests/{parts[2]}")
        elif parts[0] == "tests" and path.name.startswith("test_"):
            found.add(path.as_posix())
        elif path.suffix == ".md":
            found.add("tests/test_docs.py")
    there = sorted(path for path in found if (ROOT / path).exists())
    # a file whose folder is run as a whole is not named twice
    return [p for p in there if not any(p != q and p.startswith(f"{q}/") for q in there)]


if __name__ == "__main__":
    print(*tests_of(changed(sys.argv[1] if len(sys.argv) > 1 else "main")))

"""Change `session` at random, one place at a time, as mutants.py does for the other rooms.

    pip install coverage
    python benchmarks/mutants_forked.py --number 150 --seed 0

mutmut 3.8.1 ends with a segmentation fault in this room. Here every change is tried in a fork of
one process that has imported everything else: the changed module is compiled in place of the
file's, and those tests are run that come by its line. What survived is printed.
"""

import argparse
import ast
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
ROOM = CHECKOUT / "src" / "napari_intseg" / "session"
# they start Python anew, or compare times
LEFT_OUT = "not slow and not kill and not whenever and not real and not process"
PYTEST = ("-q", "-n", "0", "-p", "no:xvfb", "-p", "no:cacheprovider")
# tests of a line are begun with the quickest, and no more once they take so long together
LONG_ENOUGH_S, AT_LEAST = 25.0, 10
# what every fork needs and no change touches
IMPORTED = (
    "hypothesis", "numpy", "pydantic", "pydicom", "pytest", "scipy.ndimage", "SimpleITK",
    "skimage.measure", "skimage.morphology", "tifffile", "torch",
)  # fmt: skip
# a change that makes a loop endless is one that was noticed
PATIENCE_S = 400.0
COMPARED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COMPUTED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
# in a process of its own: which test comes by which line, and the seconds of each
RECORDER = """
import json, sys, time
import coverage, pytest
record = coverage.Coverage(data_file=sys.argv[1], source=[sys.argv[2]])
record.start()
seconds = {}
class Plugin:
    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item, nextitem):
        record.switch_context(item.nodeid)
        begun = time.process_time()
        result = yield
        seconds[item.nodeid] = time.process_time() - begun
        return result
code = pytest.main(sys.argv[4:], plugins=[Plugin()])
record.stop(); record.save()
open(sys.argv[3], "w").write(json.dumps(seconds))
sys.exit(code)
"""


def places(tree: ast.AST) -> list[ast.AST]:
    """Return what can be changed inside of the functions of a module, each once."""
    found: dict[tuple[str, int, int], ast.AST] = {}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if _can_change(node):
                    where = type(node).__name__, node.lineno, node.col_offset  # type: ignore[attr-defined]
                    found.setdefault(where, node)
    return list(found.values())


def _can_change(node: ast.AST) -> bool:
    match node:
        case ast.Compare(ops=[first, *_]):
            return type(first) in COMPARED
        case ast.BinOp(left=ast.Constant(value=str())) | ast.Return(value=None | ast.Constant()):
            return False
        case ast.BinOp():
            return type(node.op) in COMPUTED
        case ast.Constant():
            return type(node.value) in (bool, int)
    return isinstance(node, ast.BoolOp | ast.Return) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    )


def change(node: Any) -> tuple[str, str]:
    """Change a node in its tree; return its code before and after."""
    before = ast.unparse(node)
    match node:
        case ast.Compare():
            node.ops[0] = COMPARED[type(node.ops[0])]()
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.BinOp():
            node.op = COMPUTED[type(node.op)]()
        case ast.Constant():
            node.value = not node.value if isinstance(node.value, bool) else node.value + 1
        case _:  # a call without its result, or a result that is left out
            node.value = ast.Constant(None)
    ast.fix_missing_locations(node)
    return before, ast.unparse(node)


class Changed(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Finds one module, and compiles it from a tree that was changed."""

    def __init__(self, path: Path, tree: ast.Module) -> None:
        parts = path.relative_to(CHECKOUT / "src").with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        super().__init__(name, str(path))
        self.tree = tree

    def find_spec(self, fullname: str, *_: Any) -> Any:
        """Say that the changed module is here, and no other."""
        if fullname != self.name:
            return None
        is_package = self.path.endswith("__init__.py")
        return importlib.machinery.ModuleSpec(
            fullname, self, origin=self.path, is_package=is_package
        )

    def get_code(self, _: str) -> Any:
        """Compile the changed tree in place of the file."""
        return compile(self.tree, self.path, "exec")


def ends(path: Path, tree: ast.Module, tests: list[str]) -> int | None:
    """Run tests on a changed module in a fork; return their exit code, None if they hang."""
    child = os.fork()
    if not child:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.meta_path.insert(0, Changed(path, tree))
        import pytest

        os._exit(int(pytest.main(["-x", "--timeout", "60", *PYTEST, *tests])))
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.1)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def chosen(tests: set[str], seconds: dict[str, float]) -> list[str]:
    """Return tests, the quickest first, until they take long enough."""
    found: list[str] = []
    spent = 0.0
    for test in sorted(tests, key=lambda one: seconds.get(one, 1.0)):
        if spent > LONG_ENOUGH_S and len(found) > AT_LEAST:
            break
        found.append(test)
        spent += seconds.get(test, 1.0)
    return found


def main() -> None:
    """Try a sample of the changes of `session`; print the counts and what survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=150, help="how many changes are tried")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.chdir(CHECKOUT)
    os.environ["OMP_NUM_THREADS"] = "1"
    from coverage import CoverageData

    with tempfile.TemporaryDirectory() as folder:
        lines, times = f"{folder}/lines", f"{folder}/seconds.json"
        words = ["-k", LEFT_OUT, "-m", "not slow", "tests/session"]
        subprocess.run(
            [sys.executable, "-c", RECORDER, lines, str(ROOM), times, *PYTEST, *words], check=True
        )
        data, seconds = CoverageData(lines), json.loads(Path(times).read_text())
        data.read()
        todo = []
        for file in sorted(ROOM.rglob("*.py")):
            by_line = data.contexts_by_lineno(str(file))
            for number, node in enumerate(places(ast.parse(file.read_text("utf-8")))):
                span = range(node.lineno, node.end_lineno + 1)  # type: ignore[attr-defined]
                tests = {test for line in span for test in by_line.get(line, ()) if test}
                todo.append((file, number, tests))
    sample = random.Random(args.seed).sample(todo, min(args.number, len(todo)))
    for name in IMPORTED:
        importlib.import_module(name)
    counts = {"noticed": 0, "survived": 0, "no test": 0}
    for path, number, tests in sample:
        tree = ast.parse(path.read_text("utf-8"))
        node = places(tree)[number]
        before, after = change(node)
        code = ends(path, tree, chosen(tests, seconds)) if tests else 5
        kind = "no test" if not tests else "survived" if code == 0 else "noticed"
        counts[kind] += 1
        if kind == "survived":
            print(f"{path.relative_to(ROOM)}:{node.lineno}: {before} -> {after}", flush=True)  # type: ignore[attr-defined]
    print(f"session: {len(todo)} possible changes, {len(sample)} tried, {counts}")


if __name__ == "__main__":
    main()

"""The code that the reference shows runs as it stands."""

import re
from pathlib import Path

import numpy as np

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "engine.md"


def test_the_code_of_the_reference_runs():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    array = np.zeros((20, 48, 64), np.int16)
    array[5:15, 20:40, 30:50] = 300
    progress: list[tuple[int, int]] = []
    names = {
        "array": array,
        "mask": array > 0,
        "report": lambda done, total: progress.append((done, total)),
        "stop": lambda: len(progress) >= 3,
    }
    exec(code, names)
    session = names["session"]
    assert len(progress) == 3
    assert session.mask.dtype == bool
    assert session.probability.dtype == np.float32
    np.testing.assert_array_equal(session.mask, array > 0)  # the initial mask came last

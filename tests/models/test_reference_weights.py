import numpy as np
import pytest

from reference_weights import reference_array
from scripts import load_script


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("a.weight", (300, 250)),  # more than one piece
        ("a.kernel", (64, 32, 3, 3)),
        ("a.weight", (70,)),
        ("a.bias", (70,)),
        ("a.bias", (7, 5)),
        ("a.scale", ()),
        ("a.token", (70,)),
        ("a.running_var", (70,)),
        ("a.running_mean", (70,)),
        ("a.num_batches_tracked", ()),
    ],
)
def test_values_are_those_the_fixtures_were_computed_with(shared, name, shape):
    wanted = load_script(shared / "parity" / "det_weights.py").det_array(name, shape)
    found = reference_array(name, shape)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)

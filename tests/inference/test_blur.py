import numpy as np
import pytest
from scipy import ndimage

from napari_intseg.inference.blur import blurred


@pytest.mark.parametrize("shape", [(70, 131), (64, 32), (5, 7), (1, 40), (33, 1)])
@pytest.mark.parametrize(("sigma", "truncate"), [(0.7, 3.0), (1.0, 4.0), (2.6, 3.0), (4.7, 3.0)])
def test_it_blurs_as_scipy_does(
    rng: np.random.Generator, shape: tuple[int, int], sigma: float, truncate: float
) -> None:
    image = rng.random(shape).astype(np.float32)
    before = image.copy()
    found = blurred(image, sigma, truncate=truncate)
    wanted = ndimage.gaussian_filter(image, sigma, truncate=truncate)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.testing.assert_array_equal(image, before)
    assert found.flags.c_contiguous


def test_it_goes_where_it_is_told(rng: np.random.Generator) -> None:
    image = rng.random((70, 131)).astype(np.float32)
    place = np.full_like(image, np.nan)
    assert blurred(image, 2.6, out=place) is place
    np.testing.assert_array_equal(place, blurred(image, 2.6))

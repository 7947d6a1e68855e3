import numpy as np
import pytest
import torch

from napari_intseg.inference.view import resize, taps


@pytest.mark.parametrize(
    ("shape", "out_shape"),
    [
        ((40, 50), (200, 33)),
        ((400, 300), (97, 1)),
        ((1, 1), (5, 7)),
        ((1, 300), (4, 20)),
        ((2, 2), (1, 1)),
        ((70, 2000), (900, 400)),
        ((13, 17), (13, 17)),
    ],
)
@pytest.mark.parametrize("channels", [None, 3])
def test_it_equals_torch_with_aligned_corners(
    rng: np.random.Generator,
    shape: tuple[int, int],
    out_shape: tuple[int, int],
    channels: int | None,
) -> None:
    image = rng.random(shape if channels is None else (*shape, channels)).astype(np.float32)
    tensor = torch.from_numpy(image.reshape(*shape, -1)).permute(2, 0, 1)[None]
    expected = torch.nn.functional.interpolate(
        tensor, size=out_shape, mode="bilinear", align_corners=True
    )
    expected = expected[0].permute(1, 2, 0).numpy().reshape(*out_shape, *image.shape[2:])
    result = resize(image, out_shape)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5)


def test_the_argument_is_neither_changed_nor_returned(rng: np.random.Generator) -> None:
    image = rng.random((5, 6)).astype(np.float32)
    before = image.copy()
    same = resize(image, (5, 6))
    same[:] = 0
    resize(image, (9, 3))
    np.testing.assert_array_equal(image, before)


def test_integers_are_interpolated_as_numbers() -> None:
    np.testing.assert_array_equal(resize(np.array([[0, 255]], np.uint8), (1, 3)), [[0, 127.5, 255]])


def test_taps_start_and_end_on_the_corners() -> None:
    low, high, weight = taps(10, 4)
    assert (low[0], weight[0]) == (0, 0)
    assert low[-1] + weight[-1] == pytest.approx(9)
    assert high.max() <= 9

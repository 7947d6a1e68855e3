import numpy as np

from napari_intseg.core.prompts import Box, Click, Prompts, Scribble
from napari_intseg.inference.view import Flip


def test_mirroring_twice_gives_all_back(rng: np.random.Generator) -> None:
    flip = Flip(10)
    image = rng.random((4, 10, 3))
    np.testing.assert_array_equal(flip.image(flip.image(image)), image)
    assert flip.image(image).flags.c_contiguous
    prompts = Prompts((Click(1, 2.5),), Box(1, 2, 3, 4), (Scribble(((0, 0), (3, 9)), False),))
    assert flip.prompts(flip.prompts(prompts)) == prompts
    assert flip.click(flip.click(Click(1, 2))) == Click(1, 2)


def test_the_first_column_becomes_the_last() -> None:
    flip = Flip(10)
    assert flip.click(Click(3, 0, False)) == Click(3, 9, False)
    assert flip.prompts(Prompts(box=Box(0, 0, 5, 2))).box == Box(0, 7, 5, 9)


def test_the_average_is_on_the_plain_image() -> None:
    plain = np.array([[4.0, 0.0]], np.float32)
    mirrored = np.array([[2.0, 8.0]], np.float32)
    np.testing.assert_array_equal(Flip(2).average(plain, mirrored), [[6.0, 1.0]])

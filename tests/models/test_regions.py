"""Second source throughout: SciPy, by which masks are cleaned up on a processor."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_intseg.core.volume import Volume
from napari_intseg.models import regions as on_device
from napari_intseg.models.classical.region_growing import RegionGrowing
from napari_intseg.models.registry import load_model
from napari_intseg.session import mask_edits
from napari_intseg.session.session import Session

CPU = torch.device("cpu")


def winding(size: int) -> np.ndarray:
    """Return one line that goes to and fro all over a square."""
    mask = np.zeros((1, size, size), bool)
    mask[0, ::2] = True
    mask[0, 1::4, -1] = mask[0, 3::4, 0] = True
    return mask


@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.6])
def test_pixels_of_one_region_and_no_others_have_one_number(rng, share, corners):
    mask = rng.random((3, 40, 50)) < share
    numbers, is_done = on_device.regions(torch.from_numpy(mask), corners=corners)
    truth, count = ndimage.label(mask, np.ones((3, 3, 3)) if corners else None)
    assert is_done
    pairs = np.unique([numbers.numpy()[mask], truth[mask]], axis=1)
    assert pairs.shape[1] == count == len(np.unique(numbers.numpy()[mask]))
    assert (numbers.numpy()[~mask] == -1).all()


def test_planes_are_apart_where_that_is_asked_for():
    mask = torch.ones(2, 3, 4, dtype=torch.bool)
    numbers, _ = on_device.regions(mask, by_plane=True)
    assert numbers[:, 0, 0].tolist() == [0, 12]
    assert len(numbers.unique()) == 2


@pytest.mark.parametrize("share", [0, 0.05, 0.5, 1])
def test_clean_up_is_that_of_a_processor(rng, share):
    mask = rng.random((4, 30, 40)) < share
    for clean in (mask_edits.largest_part, mask_edits.fill_holes):
        found = getattr(on_device, clean.__name__)(mask, CPU)
        np.testing.assert_array_equal(found, clean(mask))


def test_a_line_that_winds_all_over_is_one_region_and_too_few_rounds_are_told(monkeypatch):
    mask = winding(256)
    assert (on_device.largest_part(mask, CPU) == mask).all()
    monkeypatch.setattr(on_device, "_ROUNDS", 2)
    assert on_device.largest_part(mask, CPU) is None


def test_a_large_mask_is_cleaned_up_on_the_models_device_and_here_where_it_has_no_room(monkeypatch):
    volume = np.zeros((3, 40, 50), np.uint8)
    mask = np.zeros(volume.shape, bool)
    mask[:, 5:20, 5:20], mask[1, 10, 10], mask[:, 30:33, 40:44] = True, False, True
    asked = []

    def cleaned():
        session = Session(load_model("region-growing"), Volume(volume))
        session.set_initial_mask(mask)
        session.clean_up(holes=True, largest=True)
        return session.labels

    wanted = cleaned()
    monkeypatch.setattr(mask_edits, "_LARGE", 1)
    monkeypatch.setattr(RegionGrowing, "device", torch.device("cuda"), raising=False)

    def there(work):
        def find(given, device):
            asked.append(device.type)
            return work(given, CPU)

        return find

    for name in ("largest_part", "fill_holes"):
        monkeypatch.setattr(on_device, name, there(getattr(on_device, name)))
    found = cleaned()
    assert asked == ["cuda", "cuda"]
    np.testing.assert_array_equal(found, wanted)
    monkeypatch.setattr(on_device, "regions", lambda *_, **__: no_room())
    np.testing.assert_array_equal(cleaned(), wanted)


def no_room():
    raise torch.OutOfMemoryError("CUDA out of memory")

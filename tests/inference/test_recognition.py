from pathlib import Path

import numpy as np
import pytest

from napari_intseg.core.prompts import Box, Click, Prompts
from napari_intseg.core.recognition import foreground, is_hounsfield
from napari_intseg.core.volume import Volume
from napari_intseg.inference.intensity import CT_WINDOWS, resolve_intensity
from napari_intseg.inference.patch import Patch
from napari_intseg.inference.slice_appearance import adapted, tissue
from napari_intseg.io.read import read_volume


def thorax(rng: np.random.Generator) -> np.ndarray:
    """Air, a body, a lung and a bone, in HU."""
    hu = rng.normal(-1000, 15, (4, 90, 100))
    hu[:, 10:80, 10:90] = rng.normal(40, 20, (4, 70, 80))
    hu[:, 20:50, 20:45] = rng.normal(-850, 40, (4, 30, 25))
    hu[:, 60:75, 40:60] = rng.normal(700, 100, (4, 15, 20))
    return hu


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("padding", [None, -1024, -2000, -3024])
def test_hounsfield_units_are_recognised(
    rng: np.random.Generator, dtype: type, padding: int | None
) -> None:
    hu = thorax(rng)
    if padding is not None:
        hu = np.maximum(hu, -1024)
        hu[:, :, :8] = hu[:, :, -8:] = padding
    data = hu.astype(dtype)
    assert is_hounsfield(data)
    found = resolve_intensity(Volume(data))
    assert (found.low[0], found.high[0]) == CT_WINDOWS["soft tissue"].limits
    assert found.adapts == "hounsfield"


@pytest.mark.parametrize(
    "values",
    [
        np.arange(-1200, 600, dtype=np.int16),
        np.random.default_rng(0).normal(0, 400, 9000).astype(np.float32),
        np.random.default_rng(0).normal(-1000, 20, 9000).astype(np.int16),
        np.random.default_rng(0).normal(50, 20, 9000).astype(np.int16),
        np.random.default_rng(0).integers(0, 4096, 9000).astype(np.uint16),
        np.zeros(100, np.int16),
        np.full(100, np.nan, np.float32),
        np.array([], np.int16),
        np.array([-1e300, 1e300] * 50),
    ],
    ids=["even", "one heap", "air", "tissue", "unsigned", "empty", "nan", "nothing", "huge"],
)
def test_other_values_are_not(values: np.ndarray) -> None:
    assert not is_hounsfield(values)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ct.nii.gz", True), ("head_ct.nii.gz", True), ("mr_sm.nii.gz", False),
     ("spine_t2.nii.gz", False), ("nuclei_3d.tif", False), ("ct_dicom_series", True)],
)  # fmt: skip
def test_real_volumes(shared: Path, name: str, expected: bool) -> None:
    found = resolve_intensity(read_volume(shared / "data" / "samples" / name))
    assert (found.adapts == "hounsfield") == expected


def test_a_window_that_was_chosen_stays(rng: np.random.Generator) -> None:
    volume = Volume(thorax(rng).astype(np.int16))
    for window in ("percentile", "full", "bone", (0, 100)):
        assert resolve_intensity(volume, window).adapts == "no"


def test_bone_and_lung_are_told_by_the_first_click(rng: np.random.Generator) -> None:
    data = thorax(rng).astype(np.int16)
    image, shape = data[1], data[1].shape
    chosen = resolve_intensity(Volume(data))

    def name(*clicks: Click, **kwargs: object) -> str:
        return tissue(
            lambda r, c: image[r, c],
            shape,
            Prompts(clicks, kwargs.get("box")),  # type: ignore[arg-type]
            kwargs.get("guide"),  # type: ignore[arg-type]
        )

    bone, lung, soft = Click(67, 50), Click(35, 32), Click(55, 15)
    assert [name(one) for one in (bone, lung, soft)] == ["bone", "lung", "soft tissue"]
    assert name(Click(67, 50, False), soft, bone) == "soft tissue"
    assert name() == "soft tissue"
    assert name(box=Box(20, 20, 49, 44)) == "lung"
    mask = np.zeros(shape, bool)
    mask[60:75, 40:60] = True
    assert name(guide=Patch.from_mask(mask)) == "bone"
    assert name(guide=Patch.empty(shape)) == "soft tissue"
    assert name(Click(0, 0)) == "lung"  # a click at the rim reads what is there
    shown = adapted(chosen, lambda r, c: image[r, c], shape, Prompts((bone,)))
    assert (shown.low[0], shown.high[0]) == CT_WINDOWS["bone"].limits
    assert shown.adapts == "no"


def test_how_much_air_was_scanned_does_not_change_the_window(rng: np.random.Generator) -> None:
    body = np.clip(rng.normal(400, 120, (60, 60)), 100, None)
    limits = []
    for margin in (60, 140):
        image = np.abs(rng.normal(0, 8, (60 + 2 * margin,) * 2)).astype(np.int16)
        image[margin:-margin, margin:-margin] = body
        limits.append(resolve_intensity(Volume(image)).high[0])
    assert limits[0] == pytest.approx(limits[1], rel=0.05)
    assert limits[1] > np.percentile(body, 98)


def test_what_has_no_background_keeps_all_its_values(rng: np.random.Generator) -> None:
    for values in (rng.uniform(0, 1, 5000), rng.normal(5, 1, 5000), np.full(50, 3.0)):
        assert foreground(values).size == values.size


def test_a_stack_that_fades_is_shown_slice_by_slice(rng: np.random.Generator) -> None:
    fading = rng.uniform(100, 1000, (12, 40, 50)) * (0.5 ** np.arange(12))[:, None, None]
    data = fading.astype(np.uint16)
    found = resolve_intensity(Volume(data))
    assert found.adapts == "slice"
    for index in (1, 3):
        own = adapted(found, lambda r, c, i=index: data[i][r, c], (40, 50))
        assert own.high[0] == pytest.approx(data[index].max(), rel=0.05)
    steady = rng.integers(0, 900, (12, 40, 50)).astype(np.uint16)
    assert resolve_intensity(Volume(steady)).adapts == "no"


def test_an_empty_slice_is_not_stretched_until_its_noise_shows(rng: np.random.Generator) -> None:
    fading = rng.uniform(100, 1000, (12, 40, 50)) * (0.5 ** np.arange(12))[:, None, None]
    found = resolve_intensity(Volume(fading.astype(np.float32)))
    shown = adapted(found, lambda r, c: np.full((40, 50), 3.0)[r, c], (40, 50))
    assert shown.high[0] - shown.low[0] >= (found.high[0] - found.low[0]) / 16

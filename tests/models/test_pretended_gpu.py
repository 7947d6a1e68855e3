"""What travels between a processor and a GPU, counted on one that is pretended."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_intseg.models.registry import MODELS

pytest.importorskip("cv2", reason="needs the extra 'zoo'")
pytest.importorskip("transformers", reason="needs the extra 'sam'")
pytest.importorskip("torch.utils.backend_registration")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]  # every family in one process

HELPER = Path(__file__).parents[1] / "helpers" / "pretended_gpu.py"
STEPS = ("first", "second", "third")
KEEPS = {  # answers that a click brings down, and bytes that it takes up for each pixel
    "bundled": (1, 2.1),
    "ritm-hrnet18s": (1, 2.1),
    "simpleclick-vit-xtiny": (1, 2.3),
    "focalclick-hrnet18s-s2": (1, 2.1),
    "mobile-sam": (1, 3.0),
    "mobile-sam-then-bundled": (1, 3.0),
    "random-walker-3d": (1, 2.1),  # on a slice it is the bundled network
    "ritm-hrnet18s-adapting": (1, 4.1),  # in float32, as its weights change
    "sam-vit-b": (1, 3.0),  # masks, their scores, and the low-resolution logits for the next click
    "sam-hq-vit-tiny": (1, 3.0),
    "efficient-sam-vitt": (1, 1.0),
    "sam2.1-tiny": (1, 3.0),
    "ritm-hrnet18s-fbrs-b": (1, 8.1),  # both views, in float32
    "fbrs-resnet34": (1, 8.1),
}
"""Adapters whose image stays on the device from click to click."""
ENCODED = (
    "bundled", "random-walker-3d", "mobile-sam", "sam-vit-b", "sam-hq-vit-tiny",
    "efficient-sam-vitt", "sam2.1-tiny",
)  # fmt: skip
"""Those that keep an encoding instead of the picture."""
SAMS = ("mobile-sam", "sam-vit-b", "sam-hq-vit-tiny", "efficient-sam-vitt", "sam2.1-tiny")
EXACT = ("ritm-hrnet18s-fbrs-b", "fbrs-resnet34", "ritm-hrnet18s-adapting")
"""Those that compute in float32, and so does what they are given."""
RECORDED = {  # what is recorded, and how much fewer the launches of a click are then at the least
    "bundled": (2, 6), "ritm-hrnet18s": (1, 20), "simpleclick-vit-xtiny": (1, 20),
    "focalclick-hrnet18s-s2": (2, 1.5), "mobile-sam": (2, 15), "sam-vit-b": (2, 15),
    "sam-hq-vit-tiny": (2, 15), "efficient-sam-vitt": (2, 15), "sam2.1-tiny": (2, 15),
}  # fmt: skip
ELSEWHERE = (
    "random-walker", "region-growing", "level-set", "grabcut", "nninteractive",
    "nninteractive-server",
)  # fmt: skip
"""Without a network, or with an engine of another package that sees to its device itself."""
ANEW = ("iog", "dextr", "deepgrabcut", "fcanet", "forte")
"""Adapters that make another picture of every question, which has to travel."""


@pytest.fixture(scope="module")
def counts() -> dict[str, dict]:
    """What the helper counted, by model; it patches PyTorch, hence a process of its own."""
    command = [sys.executable, str(HELPER), *KEEPS, *ANEW]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=alone)
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    if not lines and "_setup_privateuseone" in ran.stderr:
        pytest.skip("this PyTorch cannot pretend a device")
    assert lines, ran.stderr
    return {one["model"]: one for one in lines}


@pytest.mark.parametrize("name", [*KEEPS, *ANEW])
def test_everything_is_on_the_device_and_nothing_waits_within_a_click(counts, name):
    found = counts[name]
    assert "error" not in found, found
    for step in STEPS:
        assert found[step]["waits"] == 0, (step, found[step])
    assert found["prepare"]["waits"] == 0


@pytest.mark.parametrize("name", KEEPS)
def test_an_image_travels_once_and_the_answer_comes_down_once(counts, name):
    found, (answers, up_a_pixel) = counts[name], KEEPS[name]
    for step in ("second", "third"):
        assert found[step]["up_bytes"] <= up_a_pixel * found["pixels"], found[step]
        assert found[step]["up_bytes"] < found["device_nbytes"], "the image would be among it"
    # what is computed may differ, as in those that optimise until nothing changes
    second, third = ({**found[step], "launches": 0} for step in ("second", "third"))
    assert second == third
    for step in STEPS:
        assert found[step]["down"] <= answers, found[step]


def test_every_adapter_is_counted():
    counted = {MODELS[name].builder for name in (*KEEPS, *ANEW)}
    others = {MODELS[name].builder for name in ELSEWHERE}
    assert {spec.builder for spec in MODELS.values()} - others == counted


@pytest.mark.parametrize("name", ["bundled", "ritm-hrnet18s"])
def test_a_slice_in_bytes_travels_once_and_its_views_are_cut_out_there(counts, name):
    found, table_of_clicks = counts[name], 512
    # grey: a byte a pixel, where an image of three colours took three for each of its views
    assert found["picture"]["up_bytes"] <= found["pixels"] + table_of_clicks
    assert found["crop"]["up_bytes"] <= table_of_clicks
    assert found["picture"]["waits"] == found["crop"]["waits"] == 0


@pytest.mark.parametrize("name", [name for name in KEEPS if name not in EXACT])
def test_a_picture_travels_as_bytes(counts, name):
    found = counts[name]
    up = found["prepare"]["up_bytes"] + found["first"]["up_bytes"]
    # and what the first click needs, as every other
    assert up <= found["image_bytes"] / 4 + KEEPS[name][1] * found["pixels"], found


@pytest.mark.parametrize("name", KEEPS)
def test_main_memory_and_the_devices_are_counted_apart_and_the_devices_is_given_back(counts, name):
    found = counts[name]
    assert found["device_nbytes"] > 0
    # what was encoded is there alone; of pictures the processor has a copy to begin again
    assert (found["nbytes"] == 0) == (name in ENCODED)
    assert found["nbytes"] <= 2 * found["image_bytes"], "it is what is there that is counted"
    # whoever prepares goes on at once
    assert found["prepare"]["down"] == 0
    assert found["left"] == 0


def test_the_bundled_network_encodes_beside_the_processor_and_a_batch_comes_down_once(counts):
    found = counts["bundled"]
    for step in ("prepare", "prepare_batch"):
        # nothing is read, so that the processor goes on at once
        assert (found[step]["up"], found[step]["down"], found[step]["waits"]) == (1, 0, 0)
    # eight questions: what is kept of the images is put together, and then it is one pass
    assert found["batch"]["launches"] < 1.5 * found["second"]["launches"]
    for name in ("bundled", "ritm-hrnet18s", *SAMS):
        assert (counts[name]["batch"]["down"], counts[name]["batch"]["waits"]) == (1, 0)


@pytest.mark.parametrize("name", SAMS)
def test_a_sam_decodes_eight_questions_in_one_pass(counts, name):
    one, eight = counts[name]["second"], counts[name]["batch"]
    # each answer is brought to its image's size by itself, as images may differ in size
    assert eight["launches"] < 1.5 * one["launches"]
    # clicks, labels and masks go up once for all of them
    assert eight["up"] == one["up"]


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_click_launches_few_things_and_waits_for_none(counts, name):
    found, (recorded, fewer) = counts[name], RECORDED[name]
    # CUDA records nothing that comes from main memory, or goes there
    assert (found["recorded"], found["travels_inside"]) == (recorded, 0)
    steps = [("second", "replayed", fewer)]
    if found["prepare"]["launches"]:
        steps.append(("prepare", "prepare_replayed", 6))
    # what goes in and comes out is copied
    for plain, replayed, times in steps:
        assert found[plain]["launches"] > 100
        assert found[replayed]["launches"] < found[plain]["launches"] / times
        assert found[replayed]["waits"] == 0
        for what in ("up", "up_bytes", "down", "down_bytes"):
            assert found[replayed][what] == found[plain][what]


def test_a_tracker_sends_a_plane_up_and_its_answer_down_and_waits_for_nothing_else(counts):
    found = counts["sam2.1-tiny"]["followed"]  # two planes
    assert (found["down"], found["waits"]) == (2, 0)
    assert found["down_bytes"] == 2 * 2 * counts["sam2.1-tiny"]["pixels"]

"""Memory that really runs out: the process may take only so much more than it has."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, resource
import numpy as np, torch
from napari_intseg import Session, Volume, load_model
from napari_intseg.core.segmenter import Saving
from napari_intseg.errors import DeviceError

torch.set_num_threads(1)
data = np.zeros((512, 512), np.uint8)
data[224:288, 224:288] = 255  # as large as objects in a view are
model = load_model("bundled", device="cpu", precision="float32")
for saving in (Saving(), Saving(half=True)):  # what is loaded late is loaded now; and oneDNN,
    model.save_memory(saving)  # once it found no room for a layer of some size, never tries again
    whole = Session(model, Volume(data), zoom_in=None)
    whole.change_setup(longer_side_px=None)
    whole.click((256, 256))
del whole
unlimited = resource.getrlimit(resource.RLIMIT_AS)


def iou(mask):
    return float((mask & (data > 0)).sum() / (mask | (data > 0)).sum())


def ask(room_mb):
    model.release()
    session = Session(model, Volume(data), zoom_in=None)
    session.change_setup(longer_side_px=None)
    pages = int(open("/proc/self/statm").read().split()[0])
    if room_mb is not None:
        room = pages * resource.getpagesize() + (room_mb << 20)
        resource.setrlimit(resource.RLIMIT_AS, (room, unlimited[1]))
    try:
        result = session.click((256, 256))
    except DeviceError as err:
        resource.setrlimit(resource.RLIMIT_AS, unlimited)
        again = session.predict(session.clicks[0].plane)
        return {"told": str(err), "again": iou(session.mask),
                "note": again.info.get("note", "")}
    finally:
        resource.setrlimit(resource.RLIMIT_AS, unlimited)
    return {"note": result.info.get("note", ""), "right": iou(session.mask)}


print(json.dumps({str(room): ask(room) for room in (48, 2, None)}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory so")
def test_a_network_answers_with_the_memory_that_is_left() -> None:
    # what is freed goes back at once: else it is room that the limit does not see
    given_back = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | given_back,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    short, none, roomy = json.loads(done.stdout.splitlines()[-1]).values()
    assert short["note"].startswith("memory ran out: computed in half precision")
    assert short["right"] > 0.7
    assert "memory is too small for 'bundled'" in none["told"]
    assert none["again"] > 0.9  # the session goes on, from the top
    assert none["note"] == roomy["note"] == ""
    assert roomy["right"] > 0.9

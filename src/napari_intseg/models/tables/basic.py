"""What is at hand without a download, and networks that are guided by points and boxes."""

from napari_intseg.models.spec import CLICKS_MASK, ModelSpec, Table

_ROOM = "napari_intseg.models"

BUNDLED_BUILDER, BUNDLED_PAPER = f"{_ROOM}.bundled:build", "arXiv:2102.06583, arXiv:2404.00741"

BASIC: Table = {
    "bundled": ModelSpec(
        BUNDLED_BUILDER,
        "Bundled network (in the box)",
        "bundled",
        CLICKS_MASK,
        "bundled",
        paper=BUNDLED_PAPER,
    ),
    "random-walker": ModelSpec(
        f"{_ROOM}.random_walker:build",
        "Random walker (no weights)",
        "random walker",
        frozenset({"click", "scribble", "mask"}),
        paper="10.1109/TPAMI.2006.233",
    ),
    "region-growing": ModelSpec(
        f"{_ROOM}.region_growing:build",
        "Region growing (no weights)",
        "region growing",
        frozenset({"click", "scribble"}),
        paper="ITK Software Guide, 9.1.3",
    ),
    "grabcut": ModelSpec(
        f"{_ROOM}.grabcut:build",
        "GrabCut (no weights)",
        "grabcut",
        frozenset({"click", "box", "scribble", "mask"}),
        paper="10.1145/1015706.1015720",
        needs=("cv2",),
        extra="zoo",
    ),
}

GUIDED: Table = {
    "dextr": ModelSpec(
        f"{_ROOM}.dextr:build",
        "DEXTR (four extreme points)",
        "dextr",
        frozenset({"extreme_points"}),
        "dextr",
        "GPL-3.0 (the authors' code)",
        "arXiv:1711.09081",
        ("cv2",),
        "zoo",
    ),
    "deepgrabcut": ModelSpec(
        f"{_ROOM}.deepgrabcut:build",
        "DeepGrabCut (box)",
        "deepgrabcut",
        frozenset({"box"}),
        "deepgrabcut",
        "not stated",
        "arXiv:1707.00243",
        ("cv2",),
        "zoo",
    ),
    "iog": ModelSpec(
        f"{_ROOM}.iog:build",
        "IOG (box, a click inside, corrections)",
        "iog",
        frozenset({"box", "click"}),
        "iog",
        "none stated",
        "Zhang et al., CVPR 2020",
        ("cv2",),
        "zoo",
        note="no licence stated: ask the authors before any use but trying",
    ),
}

"""Tiny made examples of published data sets, each in the layout that it is unpacked to."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from scipy.io import savemat

SIZE = (48, 64)


def save(path: Path, array, palette=None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.asarray(array, np.uint8))
    if palette is not None:
        picture = Image.fromarray(np.asarray(array, np.uint8), "P")
        picture.putpalette(np.asarray(palette, np.uint8).tobytes())
    picture.save(path)


def blocks(*values: int) -> np.ndarray:
    """One block of 12 x 14 pixels of each value, side by side with gaps."""
    mask = np.zeros(SIZE, np.int64)
    for i, value in enumerate(values):
        mask[10:22, 2 + 16 * i : 16 + 16 * i] = value
    return mask


def photo(path: Path, mask=None) -> None:
    """A picture in which what is in a mask is brighter."""
    grey = np.where((blocks(1, 1) if mask is None else np.asarray(mask)) > 0, 190, 60)
    save(path, np.repeat(grey[..., None], 3, axis=2))


def painted(*colours: tuple[int, int, int], ground=(0, 0, 0)) -> np.ndarray:
    table = np.array([ground, *colours], np.uint8)
    return table[blocks(*range(1, len(colours) + 1))]


def runs(mask) -> str:
    """Kaggle's run lengths."""
    flat = np.concatenate([[0], (np.asarray(mask) > 0).ravel(order="F"), [0]])
    first, end = (np.flatnonzero(np.diff(flat) == sign) for sign in (1, -1))
    return " ".join(f"{a + 1} {b - a}" for a, b in zip(first, end, strict=True))


def matlab(path: Path, name: str, *fields) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.zeros((1, len(fields)), object)
    for i, segmentation in enumerate(fields):
        one = np.zeros((1, 1), [("Segmentation", "O"), ("Boundaries", "O")])
        one["Segmentation"][0, 0] = np.asarray(segmentation, np.uint16)
        one["Boundaries"][0, 0] = np.asarray(segmentation, np.uint8)
        cells[0, i] = one
    savemat(path, {name: cells}, do_compression=True)


def struct(path: Path, name: str, segmentation) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    one = np.zeros((1, 1), [("Segmentation", "O"), ("Boundaries", "O")])
    one["Segmentation"][0, 0] = np.asarray(segmentation, np.uint8)
    savemat(path, {name: one})


def nifti(path: Path, array) -> None:
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.asarray(array), np.eye(4)), path)


def ball(*values: int) -> np.ndarray:
    """A volume of 6 planes with a box of each value."""
    volume = np.zeros((40, 48, 6), np.uint8)
    for i, value in enumerate(values):
        volume[8:22, 2 + 16 * i : 14 + 16 * i, 1:5] = value
    return volume


def bsds(root: Path) -> None:
    for split in ("train", "val", "test"):
        photo(root / "BSR/BSDS500/data/images" / split / f"{split}1.jpg")
        whole = np.where(blocks(1, 1) > 0, 2, 1)
        matlab(
            root / "BSR/BSDS500/data/groundTruth" / split / f"{split}1.mat", "groundTruth",
            whole, np.where(blocks(1) > 0, 2, 1),
        )  # fmt: skip


def crack_forest(root: Path) -> None:
    photo(root / "image/001.jpg")
    struct(root / "groundTruth/001.mat", "groundTruth", np.where(blocks(1, 1) > 0, 2, 1))


def isbi_em(root: Path) -> None:
    cells = np.stack([np.where(blocks(1, 1) > 0, 255, 0)] * 3).astype(np.uint8)
    options = {"photometric": "minisblack"}
    tifffile.imwrite(root / "train-volume.tif", cells // 2 + 40, **options)
    tifffile.imwrite(root / "train-labels.tif", cells, **options)
    tifffile.imwrite(root / "test-volume.tif", cells, **options)


def idrid(root: Path) -> None:
    for split in ("a. Training Set", "b. Testing Set"):
        photo(root / "A. Segmentation/1. Original Images" / split / "IDRiD_01.jpg")
        truth = root / "A. Segmentation/2. All Segmentation Groundtruths" / split
        masks = (("1. Microaneurysms", "MA", blocks(0, 1)), ("5. Optic Disc", "OD", blocks(1, 1)))
        for folder, short, mask in masks:
            path = truth / folder / f"IDRiD_01_{short}.tif"
            path.parent.mkdir(parents=True)
            tifffile.imwrite(path, (mask * 76).astype(np.uint8), photometric="minisblack")


def vaihingen(root: Path) -> None:
    colours = painted((0, 0, 255), (255, 255, 0), (0, 0, 0), ground=(255, 255, 255))
    for folder, data in (("top", colours // 2), ("gts_for_participants", colours)):
        (root / folder).mkdir(parents=True)
        tifffile.imwrite(root / folder / "top_mosaic_09cm_area1.tif", data, photometric="rgb")


def potsdam(root: Path) -> None:
    colours = painted((0, 255, 0), (255, 0, 0), ground=(255, 255, 255))
    for folder, end, data in (
        ("2_Ortho_RGB", "RGB", colours // 2),
        ("5_Labels_all", "label", colours),
    ):
        (root / folder).mkdir(parents=True)
        tifffile.imwrite(root / folder / f"top_potsdam_2_10_{end}.tif", data, photometric="rgb")


def deepglobe_land(root: Path) -> None:
    photo(root / "train/119_sat.jpg")
    save(root / "train/119_mask.png", painted((0, 255, 255), (0, 0, 255), ground=(0, 255, 0)))


def deepglobe_road(root: Path) -> None:
    photo(root / "train/100_sat.jpg")
    save(root / "train/100_mask.png", painted((255, 255, 255), (250, 250, 250)))


def kaggle_clouds(root: Path) -> None:
    photo(root / "train_images/001.jpg")
    rows = {"Fish": runs(blocks(1)), "Flower": runs(blocks(0, 1)), "Gravel": "", "Sugar": ""}
    lines = [f"001.jpg_{kind},{text}" for kind, text in rows.items()]
    (root / "train.csv").write_text("\n".join(["Image_Label,EncodedPixels", *lines]) + "\n")


def tgs_salt(root: Path) -> None:
    photo(root / "train/images/a1b.png")
    photo(root / "train/images/c2d.png")
    (root / "train.csv").write_text(f"id,rle_mask\na1b,{runs(blocks(1, 1))}\nc2d,\n")


def tgs_salt_masks(root: Path) -> None:
    photo(root / "train/images/a1b.png")
    save(root / "train/masks/a1b.png", blocks(255, 255))


def nuclei_2018(root: Path) -> None:
    photo(root / "stage1_train/abc/images/abc.png")
    (root / "train").mkdir()
    (root / "stage1_train").rename(root / "train_images")
    rows = "\n".join(f"abc,{runs(blocks(*which))}" for which in ((1,), (0, 1)))
    (root / "stage1_train_labels.csv").write_text(f"ImageId,EncodedPixels\n{rows}\n")


def _square(x: float, y: float) -> list[float]:
    return [x, y, x + 14, y, x + 14, y + 12, x, y + 12]


def _coco(**image) -> dict:
    counts = [0]
    flat = blocks(0, 1).ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return {
        "images": [{"id": 7, "height": SIZE[0], "width": SIZE[1], **image}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "iscrowd": 0, "area": 168,
             "segmentation": [_square(2, 10)]},
            {"id": 2, "image_id": 7, "category_id": 3, "iscrowd": 0, "area": 168,
             "segmentation": {"counts": counts, "size": list(SIZE)}},
        ],
    }  # fmt: skip


def coco(root: Path) -> None:
    photo(root / "val2017/000000000007.jpg")
    (root / "annotations").mkdir()
    told = _coco(file_name="000000000007.jpg")
    (root / "annotations/instances_val2017.json").write_text(json.dumps(told))
    (root / "annotations/captions_val2017.json").write_text("{}")


def lvis(root: Path) -> None:
    photo(root / "val2017/000000000007.jpg")
    (root / "annotations").mkdir()
    told = _coco(coco_url="http://images.example.org/val2017/000000000007.jpg")
    for one in told["annotations"]:
        del one["iscrowd"]
        one["segmentation"] = [_square(18 if one["id"] == 2 else 2, 10)]
    (root / "annotations/lvis_v1_val.json").write_text(json.dumps(told))


_PALETTE = np.zeros((256, 3), np.uint8)
_PALETTE[1], _PALETTE[2], _PALETTE[255] = (128, 0, 0), (0, 128, 0), (224, 224, 192)


def voc(root: Path) -> None:
    base = root / "VOCdevkit/VOC2012"
    photo(base / "JPEGImages/2007_1.jpg")
    save(base / "SegmentationObject/2007_1.png", blocks(1, 2, 255), _PALETTE)
    save(base / "SegmentationClass/2007_1.png", blocks(15, 8, 255), _PALETTE)


def sbd(root: Path) -> None:
    photo(root / "dataset/img/2008_1.jpg")
    struct(root / "dataset/inst/2008_1.mat", "GTinst", blocks(1, 2))
    struct(root / "dataset/cls/2008_1.mat", "GTcls", blocks(15, 8))
    (root / "dataset/val.txt").write_text("2008_1\n")


def davis_2016(root: Path) -> None:
    for video in ("bear", "camel"):
        photo(root / f"DAVIS/JPEGImages/480p/{video}/00000.jpg")
        save(root / f"DAVIS/Annotations/480p/{video}/00000.png", blocks(255, 255))
    lists = root / "DAVIS/ImageSets/480p"
    lists.mkdir(parents=True)
    for name, video in (("train", "bear"), ("val", "camel")):
        line = f"/JPEGImages/480p/{video}/00000.jpg /Annotations/480p/{video}/00000.png\n"
        (lists / f"{name}.txt").write_text(line)


def davis_2017(root: Path) -> None:
    for video in ("bear", "camel"):
        photo(root / f"DAVIS/JPEGImages/480p/{video}/00000.jpg")
        save(root / f"DAVIS/Annotations/480p/{video}/00000.png", blocks(1, 2), _PALETTE)
    lists = root / "DAVIS/ImageSets/2017"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("bear\n")
    (lists / "val.txt").write_text("camel\n")


def cell_tracking(root: Path) -> None:
    for folder, name, mask in (
        ("01", "t000", blocks(1, 1) * 90),
        ("01_GT/SEG", "man_seg000", blocks(4, 9)),
    ):
        (root / folder).mkdir(parents=True)
        tifffile.imwrite(root / folder / f"{name}.tif", mask.astype(np.uint16))


def cell_tracking_slices(root: Path) -> None:
    volume = np.stack([blocks(1, 1) * 90] * 5).astype(np.uint16)
    (root / "02").mkdir()
    (root / "02_GT/SEG").mkdir(parents=True)
    tifffile.imwrite(root / "02/t012.tif", volume, photometric="minisblack")
    tifffile.imwrite(root / "02_GT/SEG/man_seg_012_003.tif", blocks(4, 9).astype(np.uint16))


def cellpose(root: Path) -> None:
    photo(root / "000_img.png")
    save(root / "000_masks.png", blocks(1, 2))


def decathlon(root: Path) -> None:
    image = np.stack([ball(1, 1) * 90] * 2, axis=-1).astype(np.int16)
    nifti(root / "Task01/imagesTr/case_1.nii.gz", image)
    nifti(root / "Task01/imagesTr/._case_1.nii.gz", image)
    nifti(root / "Task01/labelsTr/case_1.nii.gz", ball(1, 2))
    told = {"labels": {"0": "background", "1": "liver", "2": "tumour"}}
    (root / "Task01/dataset.json").write_text(json.dumps(told))


def nnunet(root: Path) -> None:
    for channel in ("0000", "0001"):
        nifti(root / f"Dataset001/imagesTr/case_1_{channel}.nii.gz", ball(1, 1) * 90)
    nifti(root / "Dataset001/labelsTr/case_1.nii.gz", ball(1, 2))
    told = {"labels": {"background": 0, "liver": 1, "tumour": 2}, "file_ending": ".nii.gz"}
    (root / "Dataset001/dataset.json").write_text(json.dumps(told))


def brats(root: Path) -> None:
    base = root / "BraTS20_Training_001/BraTS20_Training_001"
    for name in ("flair", "t1", "t1ce", "t2"):
        nifti(Path(f"{base}_{name}.nii.gz"), ball(1, 1) * 90)
    nifti(Path(f"{base}_seg.nii.gz"), ball(1, 4))


def brats_2023(root: Path) -> None:
    base = root / "BraTS-GLI-00000-000/BraTS-GLI-00000-000"
    for name in ("t1n", "t2f"):
        nifti(Path(f"{base}-{name}.nii.gz"), ball(1, 1) * 90)
    nifti(Path(f"{base}-seg.nii.gz"), ball(1, 3))


def mmseg_numbers(root: Path) -> None:
    for split in ("train", "val"):
        photo(root / f"img_dir/{split}/a.jpg")
        save(root / f"ann_dir/{split}/a.png", blocks(1, 2, 255))


def mmseg_colours(root: Path) -> None:
    photo(root / "img_dir/train/a.jpg")
    colours = painted((255, 0, 0), (255, 195, 128), (159, 129, 183), ground=(255, 255, 255))
    save(root / "ann_dir/train/a.png", colours)


def ade20k(root: Path) -> None:
    for split in ("training", "validation"):
        photo(root / f"ADEChallengeData2016/images/{split}/ADE_1.jpg")
        save(root / f"ADEChallengeData2016/annotations/{split}/ADE_1.png", blocks(13, 150))


def cityscapes(root: Path) -> None:
    stem = "val/bonn/bonn_000000_000019"
    photo(root / f"leftImg8bit/{stem}_leftImg8bit.png")
    save(root / f"gtFine/{stem}_gtFine_labelIds.png", blocks(26, 7, 4))
    path = root / f"gtFine/{stem}_gtFine_instanceIds.png"
    Image.fromarray(blocks(26001, 7, 26002).astype(np.uint16)).save(path)


SETS: dict[str, tuple[Callable[[Path], None], str, int]] = {
    "bsds": (bsds, "bsds", 4),
    "crack-forest": (crack_forest, "crack-forest", 1),
    "isbi-em": (isbi_em, "isbi-em", 6),
    "idrid": (idrid, "idrid", 2),
    "vaihingen": (vaihingen, "isprs", 3),
    "potsdam": (potsdam, "isprs", 3),
    "deepglobe-land": (deepglobe_land, "deepglobe-land", 3),
    "deepglobe-road": (deepglobe_road, "deepglobe-road", 1),
    "kaggle-clouds": (kaggle_clouds, "run-lengths", 2),
    "tgs-salt": (tgs_salt, "run-lengths", 1),
    "tgs-salt-masks": (tgs_salt_masks, "plain", 1),
    "nuclei-2018": (nuclei_2018, "run-lengths", 2),
    "coco": (coco, "coco", 2),
    "lvis": (lvis, "coco", 2),
    "voc": (voc, "pascal-voc", 2),
    "sbd": (sbd, "sbd", 2),
    "davis-2016": (davis_2016, "video", 1),
    "davis-2017": (davis_2017, "video", 2),
    "cell-tracking": (cell_tracking, "cell-tracking", 2),
    "cell-tracking-slices": (cell_tracking_slices, "cell-tracking", 2),
    "cellpose": (cellpose, "cellpose", 2),
    "decathlon": (decathlon, "plain", 8),
    "nnunet": (nnunet, "nnunet", 8),
    "brats": (brats, "brats", 8),
    "brats-2023": (brats_2023, "brats", 8),
    "mmseg-numbers": (mmseg_numbers, "mmseg", 2),
    "mmseg-colours": (mmseg_colours, "mmseg", 4),
    "ade20k": (ade20k, "ade20k", 2),
    "cityscapes": (cityscapes, "cityscapes", 2),
}  # fmt: skip
"""By name: what makes it, its layout's name, and how many objects `evaluate` finds in it."""

"""The catalogue of weight files, one entry each; neither numpy nor torch is needed to read it."""

from dataclasses import dataclass

from napari_intseg.errors import WeightsError


@dataclass(frozen=True, slots=True)
class WeightFile:
    """What is known of a weight file without having it.

    Parameters
    ----------
    key : str
        Its name in the catalogue; a `ModelSpec` refers to it.
    family : str
        The family of models that reads it.
    file : str
        Its file name, as published.
    address : str or None
        Where it can be fetched; None: only added by hand.
    sha256 : str or None
        Lower-case hexadecimal; None: not published, then the first fetch records it.
    licence : str
        Of the weights, SPDX where there is one.
    size_mb : float or None
        Millions of bytes, as far as published.
    paper : str
        An arXiv number or a DOI.
    note : str
        Anything to know before fetching, e.g. "research only".
    fetcher : str
        ``"package.module:function"`` that fetches it by the authors' own code, called with the
        folder to fetch it to and `published`; empty: it is downloaded from `address`.
    published : str
        How the authors call it, for `fetcher`.
    kept : (str, str) or None
        Environment variable and default of the folder where the authors' own tools keep it.
    """

    key: str
    family: str
    file: str
    address: str | None = None
    sha256: str | None = None
    licence: str = "not stated"
    size_mb: float | None = None
    paper: str = ""
    note: str = ""
    fetcher: str = ""
    published: str = ""
    kept: tuple[str, str] | None = None


def _ritm(key: str, file: str, size_mb: float, sha256: str | None = None) -> WeightFile:
    address = "https://github.com/saic-vul/ritm_interactive_segmentation/releases/download/v1.0/"
    return WeightFile(
        key, "ritm", file, address + file, sha256, "MIT", size_mb, "arXiv:2102.06583"
    )  # fmt: skip


def _fbrs(key: str, file: str, size_mb: float) -> WeightFile:
    address = "https://github.com/saic-vul/fbrs_interactive_segmentation/releases/download/v1.0/"
    return WeightFile(
        key, "fbrs", file, address + file, None, "MPL-2.0", size_mb, "arXiv:2001.10331"
    )  # fmt: skip


def _simpleclick(size: str, file: str, size_mb: float, note: str = "") -> WeightFile:
    by_hand = "published on a file host that wants a browser: fetch by hand and add"
    return WeightFile(
        f"simpleclick-vit-{size}", "simpleclick", file, None, None, "MIT", size_mb,
        "arXiv:2210.11006", by_hand + note,
    )  # fmt: skip


def _focalclick(key: str, folder: str, size_mb: float) -> WeightFile:
    binds = "segformer" in key
    note = f"published as last_checkpoint.pth in the folder {folder}, on a file host that wants a "
    note += "browser (github.com/alibaba/ClickSEG): fetch by hand and add with its key"
    return WeightFile(
        f"focalclick-{key}", "focalclick", f"focalclick_{folder}.pth", None, None,
        "NVIDIA Source Code License (backbone)" if binds else "MIT", size_mb, "arXiv:2204.02574",
        f"research and evaluation only; {note}" if binds else note,
    )  # fmt: skip


# SAM and SAM 2 lie on the same server of their authors
_META = "https://dl.fbaipublicfiles.com/segment_anything"


def _sam(
    key: str,
    address: str | None,
    size_mb: float,
    sha256: str | None = None,
    *,
    paper: str = "arXiv:2304.02643",
    file: str = "",
    note: str = "",
) -> WeightFile:
    name = file or (address or "").rsplit("/", 1)[-1]
    return WeightFile(key, "sam", name, address, sha256, "Apache-2.0", size_mb, paper, note)


# checksums of the SAM family are those that several independent users quote alike; those of
# SAM-HQ stand in the authors' own repository
_SAM_FILES = (
    _sam("sam-vit-b", f"{_META}/sam_vit_b_01ec64.pth", 375.0,
         "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"),
    _sam("sam-vit-l", f"{_META}/sam_vit_l_0b3195.pth", 1249.5,
         "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"),
    _sam("sam-vit-h", f"{_META}/sam_vit_h_4b8939.pth", 2564.6,
         "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"),
    _sam("medsam", None, 375.0,
         "34b34b78c1d18cb8c6bf84cf9c00e135d6d6c965699f3c0e31ef1bc9dcb5be74",
         paper="arXiv:2304.12306", file="medsam_vit_b.pth",
         note="by hand from the links of github.com/bowang-lab/MedSAM; trained on boxes only"),
    _sam("sam-finetuned", None, 375.0, file="sam_finetuned.pth",
         note="any checkpoint of SAM's in its original format; give its path"),
    _sam("sam-hq-vit-b", "https://huggingface.co/lkeab/hq-sam/resolve/main/sam_hq_vit_b.pth",
         379.3, "14a9d662cd6f5a9c2dba6d40ab0058d88d287e4a18fd6fdc6ad5fb1a3fdeaa57",
         paper="arXiv:2306.01567"),
    _sam("sam-hq-vit-tiny", "https://huggingface.co/lkeab/hq-sam/resolve/main/sam_hq_vit_tiny.pth",
         42.5, "0f32c075ccdd870ae54db2f7630e7a0878ede5a2b06d05d6fe02c65a82fb7196",
         paper="arXiv:2306.01567"),
    _sam("mobile-sam", "https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
         40.7, "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
         paper="arXiv:2306.14289"),
    _sam("efficient-sam-vitt",
         "https://github.com/yformer/EfficientSAM/raw/main/weights/efficient_sam_vitt.pt",
         41.0, "dff858b19600a46461cbb7de98f796b23a7a888d9f5e34c0b033f7d6eb9e4e6a",
         paper="arXiv:2312.00863"),
    _sam("efficient-sam-vits", None, 106.0, paper="arXiv:2312.00863",
         file="efficient_sam_vits.pt",
         note="unpack weights/efficient_sam_vits.pt.zip of github.com/yformer/EfficientSAM"),
    _sam("sam2.1-tiny", f"{_META}_2/092824/sam2.1_hiera_tiny.pt", 156.0,
         "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
         paper="arXiv:2408.00714"),
    _sam("sam2.1-small", f"{_META}_2/092824/sam2.1_hiera_small.pt", 184.4,
         "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
         paper="arXiv:2408.00714"),
    _sam("sam2.1-base-plus", f"{_META}_2/092824/sam2.1_hiera_base_plus.pt", 323.6,
         "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
         paper="arXiv:2408.00714"),
    _sam("sam2.1-large", f"{_META}_2/092824/sam2.1_hiera_large.pt", 898.1,
         "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
         paper="arXiv:2408.00714"),
    _sam("edgetam",
         "https://github.com/facebookresearch/EdgeTAM/raw/main/checkpoints/edgetam.pt", 56.0,
         paper="arXiv:2501.07256"),
)  # fmt: skip

_FILES = (
    WeightFile("bundled", "bundled", "bundled.safetensors", licence="BSD-3-Clause", size_mb=9.0,
               note="part of the package"),
    _ritm("ritm-hrnet18s", "coco_lvis_h18s_itermask.pth", 16.5),
    # the authors publish no checksums; this one is quoted alike by three independent users
    _ritm("ritm-hrnet18", "coco_lvis_h18_itermask.pth", 38.8,
          "5f69cfce354d1507e3850bfc39ee7057c8dd27b6a4910d1d2dc724916b9ee32b"),
    _ritm("ritm-hrnet32", "coco_lvis_h32_itermask.pth", 119.0),
    _ritm("ritm-hrnet18-baseline", "coco_lvis_h18_baseline.pth", 38.8),
    _ritm("ritm-hrnet18-sbd", "sbd_h18_itermask.pth", 38.8),
    WeightFile("ritm-resnet34", "ritm", "r34_dh128_cocolvis.pth", licence="MIT",
               paper="arXiv:2102.06583",
               note="not published; train it with the authors' recipe of the same name"),
    *_SAM_FILES,
    WeightFile("dextr", "dextr", "dextr_pascal-sbd.pth",
               "https://data.vision.ee.ethz.ch/csergi/share/DEXTR/dextr_pascal-sbd.pth",
               licence="not stated (code: GPL-3.0)", size_mb=253.0, paper="arXiv:1711.09081"),
    WeightFile("deepgrabcut", "deepgrabcut", "deepgc_pascal_epoch-99.pth", licence="not stated",
               size_mb=253.0, paper="arXiv:1707.00243",
               note="a re-implementation's weights, without an address of their own: add by hand"),
    WeightFile("iog", "iog", "IOG_PASCAL_SBD.pth", licence="none stated", size_mb=400.0,
               paper="Zhang et al., CVPR 2020",
               note="published on a file host that wants a browser: fetch by hand and add"),
    WeightFile("fcanet", "fcanet", "fcanet-resnet.pth", licence="research and education only",
               size_mb=284.0, paper="Lin et al., CVPR 2020", note="research and education only; "
               "fetch by hand from the authors' page, fcanet-res2net.pth fits too"),
    WeightFile("nninteractive", "nninteractive",
               "models/nnInteractive_v1.0/fold_0/checkpoint_final.pth",
               "https://huggingface.co/MIC-DKFZ/nnInteractive", licence="CC-BY-NC-SA-4.0",
               paper="arXiv:2503.08373", note="a folder, fetched by the authors' package",
               fetcher="napari_intseg.models.volumes.nn_interactive:fetch",
               published="nnInteractive_v1.0",
               kept=("NNINTERACTIVE_MODEL_DIR", "~/.nninteractive")),
    WeightFile("forte", "forte", "InterSegSynthFT.pth", licence="MIT", size_mb=158.0,
               paper="arXiv:2003.07932", note="fetch by hand from the authors' page and add"),
    _fbrs("fbrs-resnet34", "resnet34_dh128_sbd.pth", 93.0),
    _fbrs("fbrs-resnet50", "resnet50_dh128_lvis.pth", 126.0),
    _fbrs("fbrs-resnet50-sbd", "resnet50_dh128_sbd.pth", 126.0),
    _fbrs("fbrs-resnet101", "resnet101_dh256_sbd.pth", 234.0),
    _fbrs("fbrs-hrnet18", "hrnet18_ocr64_sbd.pth", 41.0),
    _fbrs("fbrs-hrnet32", "hrnet32_ocr128_lvis.pth", 125.0),
    _fbrs("fbrs-hrnet32-sbd", "hrnet32_ocr128_sbd.pth", 125.0),
    _simpleclick("xtiny", "cocolvis_vit_xtiny.pth", 16.2,
                 " with its key, as its name there may be another"),
    _simpleclick("b", "cocolvis_vit_base.pth", 387.0),
    _simpleclick("l", "cocolvis_vit_large.pth", 1291.0),
    _simpleclick("h", "cocolvis_vit_huge.pth", 2638.0),
    _focalclick("hrnet18s-s1", "hrnet18s_S1_cclvs", 16.6),
    _focalclick("hrnet18s-s2", "hrnet18s_S2_cclvs", 16.6),
    _focalclick("hrnet32-s2", "hrnet32_S2_cclvs", 119.1),
    _focalclick("segformer-b0-s1", "segformerB0_S1_cclvs", 14.4),
    _focalclick("segformer-b0-s2", "segformerB0_S2_cclvs", 14.4),
    _focalclick("segformer-b3-s2", "segformerB3_S2_cclvs", 174.6),
)  # fmt: skip

CATALOGUE: dict[str, WeightFile] = {entry.key: entry for entry in _FILES}
"""Every weight file by key. Adding one is one entry above."""


def find_entry(key: str) -> WeightFile:
    """Return the entry of a key.

    Raises
    ------
    WeightsError
        If there is none.
    """
    if key not in CATALOGUE:
        raise WeightsError(
            f"weights are unknown: expected one of {', '.join(sorted(CATALOGUE))}, got {key!r}. "
            "`napari-intseg weights list` shows them."
        )
    return CATALOGUE[key]


# licences that leave a user nearly everything; any other that is not named below is to be read
_FREE = ("MIT", "BSD", "Apache", "your own")


def badge(licence: str, note: str = "") -> str:
    """Return in a word or two how a licence binds; empty if it hardly does.

    Parameters
    ----------
    licence : str
        Of a model: an SPDX name or words.
    note : str
        What the registry says besides.
    """
    # notes count as well: "research only" may stand there although the code's licence is free
    told = f"{licence} {note}".lower()
    # what binds most comes first
    for part, words in (
        ("research", "research only"),
        ("nvidia", "research only"),
        ("-nc-", "not commercial"),
        ("gpl", "copyleft"),
        ("mpl", "copyleft by file"),
        ("none stated", "no licence"),
        ("not stated", "no licence"),
    ):
        if part in told:
            return words
    return "" if any(free in licence for free in _FREE) else "read it"

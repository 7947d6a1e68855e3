"""Published files of semantic networks, under the names that these networks have here.

Read are state dicts of mmsegmentation, semseg, TorchSeg and vedaseg, and of some authors' own code,
of the networks in `models.networks.LAYOUTS`; what a file's names and shapes say of its network's
size is taken from there.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from napari_intseg.errors import WeightsError
from napari_intseg.models.checkpoint import load_checkpoint
from napari_intseg.models.networks import LAYOUTS, NetworkLayout, build_semantic
from napari_intseg.models.weights.recognise import Rules, check_numbers, fitted_shape, renamed

# mmsegmentation's own checkpoints, other than those it publishes, keep the course of the losses.
# Nothing of it is used, and nothing is called: an empty object stands in for each of these names,
# for `getattr` as well, which only that course asks for.
_COURSE = (
    "mmengine.logging.history_buffer.HistoryBuffer", "builtins.getattr", "numpy.ndarray",
    "numpy.dtype",
    *(
        f"numpy.{core}.multiarray.{what}"
        for core in ("core", "_core")
        for what in ("_reconstruct", "scalar")
    ),
)  # fmt: skip

# names that only one project has
_TELL_TALES = (
    ("mmsegmentation", r"decode_head\."),
    ("semseg", r"layer0\.0\.weight$"),
    ("torchseg", r"(psp_layer|context_path|smooth_pre_rrbs)\.|head\.cbr\."),
    ("vedaseg", r"2\.block\.0\.(block\.|weight$)"),
    ("pytorch-fcn", r"upscore_pool4\."),
    ("deeplab-pytorch", r"base\.aspp\.c0\."),
    ("segmentation-models", r"decoder\.fpa\."),
    ("unext", r"patch_embed3\.proj\."),
    ("nested-unet", r"conv4_0\.conv1\."),
    ("pytorch-enet", r"initial_block\.main_branch\."),
    ("disir", r"encoder1\.block1\.conv1\."),
    ("revolver", r"encoder\.conv1_1\."),
    ("refinenet-pytorch", r"p_ims1d2_outl1_dimred\."),
    ("prm", r"(0\.)?features\.4\.0\.conv1\."),
)
# files whose classes are told each from all others, by a sigmoid: a background whose score is zero
# gives the same answers
_WITHOUT_BACKGROUND = frozenset({"unext", "prm", "nested-unet"})

# one convolution of three in a row: its number, and those of its normalisation
_STEM: Rules = tuple(
    (rf"^encoder\.{name}\.{number}\.", f"encoder.stem.{number // 3}.{number % 3}.")
    for name in ("stem", "conv1")
    for number in (0, 1, 3, 4, 6, 7)
)
_PLAIN_STEM: Rules = (
    (r"^encoder\.conv1\.", "encoder.stem.0."),
    (r"^encoder\.bn1\.", "encoder.stem.1."),
)
# a convolution with its normalisation, as most of them call the two
_STEP: Rules = ((r"\.conv\.(weight|bias)$", r".0.\1"), (r"\.bn\.", ".1."))

_MM: Rules = (
    (r"^auxiliary_head\..*", ""),
    *_STEP,
    (r"^decode_head\.conv_seg\.", "last."),
)
_MM_TRUNK: Rules = ((r"^backbone\.", "encoder."), *_STEM, *_PLAIN_STEM)
_MM_SPLIT: Rules = (
    (r"\.depthwise_conv\.", "."),
    (r"\.pointwise_conv\.", ".3."),
)
_MM_PYRAMID: Rules = (
    (r"^decode_head\.image_pool\.1\.", "context.mean."),
    (r"^decode_head\.aspp_modules\.", "context.branches."),
    (r"^decode_head\.bottleneck\.", "context.join."),
    *_MM_SPLIT,
)
_MM_POOLING: Rules = ((r"^decode_head\.psp_modules\.(\d)\.1\.", r"pool.steps.\1."),)
# a convolution, then normalisation and activation as one
_OCR: Rules = (
    *(
        rule
        for theirs, ours in (("query", "pixel"), ("key", "object"))
        for number in (0, 1)
        for rule in (
            (rf"\.{theirs}_project\.{number}\.0\.", f".f_{ours}.{2 * number}."),
            (rf"\.{theirs}_project\.{number}\.1\.", f".f_{ours}.{2 * number + 1}.0."),
        )
    ),
    (r"\.value_project\.0\.", ".f_down.0."), (r"\.value_project\.1\.", ".f_down.1.0."),
    (r"\.out_project\.0\.", ".f_up.0."), (r"\.out_project\.1\.", ".f_up.1.0."),
)  # fmt: skip
_TORCHSEG_STEM: Rules = (*_STEM, (r"^encoder\.bn1\.", "encoder.stem.2.1."))

# two convolutions and their normalisations, counted from 1
_PAIR: Rules = tuple(
    rule
    for i in (0, 1)
    for rule in ((rf"\.conv{i + 1}\.", f".{i}.0."), (rf"\.bn{i + 1}\.", f".{i}.1."))
)

NAMES: Mapping[tuple[str, str], Rules] = {
    ("semseg", "pspnet"): (
        (r"^aux\..*", ""),
        (r"^layer0\.", "encoder.stem."),
        *_STEM,
        (r"^layer", "encoder.layer"),
        (r"^ppm\.features\.(\d)\.1\.", r"pool.steps.\1.0."),
        (r"^ppm\.features\.(\d)\.2\.", r"pool.steps.\1.1."),
        (r"^cls\.([01])\.", r"join.\1."),
        (r"^cls\.4\.", "last."),
    ),
    ("torchseg", "pspnet"): (
        (r"^(aux_layer|business_layer)\..*", ""),
        (r"^backbone\.", "encoder."),
        *_TORCHSEG_STEM,
        *_STEP,
        (r"^psp_layer\.ppm\.(\d)\.psp/cbr\.", r"pool.steps.\1."),
        (r"^psp_layer\.conv6\.0\.", "join."),
        (r"^psp_layer\.conv6\.2\.", "last."),
    ),
    ("torchseg", "fcn-resnet"): (
        (r"^(aux_head|business_layer)\..*", ""),
        (r"^backbone\.", "encoder."),
        *_TORCHSEG_STEM,
        *_STEP,
        (r"^head\.cbr\.", "convs.0."),
        (r"^head\.conv1x1\.", "last."),
    ),
    ("torchseg", "bisenet"): (
        (r"^(heads\.[01]|business_layer)\..*", ""),
        *_STEP,
        (r"^context_path\.", "encoder."),
        *_PLAIN_STEM,
        (r"^spatial_path\.conv_7x7\.", "place.0."),
        (r"^spatial_path\.conv_3x3_(\d)\.", r"place.\1."),
        (r"^spatial_path\.conv_1x1\.", "place.3."),
        (r"^heads\.2\.conv_3x3\.", "last.0."),
        (r"^heads\.2\.conv_1x1\.", "last.1."),
        (r"^global_context\.1\.", "mean."),
        # theirs count from the coarsest
        (r"^arms\.0\.", "arms.one."),
        (r"^arms\.1\.", "arms.zero."),
        (r"^refines\.0\.", "heads.one."),
        (r"^refines\.1\.", "heads.zero."),
        (r"\.one\.", ".1."),
        (r"\.zero\.", ".0."),
        (r"^arms\.(\d)\.conv_3x3\.", r"refine.\1."),
        (r"^arms\.(\d)\.channel_attention\.1\.", r"gates.\1.inner."),
        (r"^(gates\.\d\.inner)\.1\.", r"\1.2."),
        (r"^(gates\.\d\.inner)\.0\.", r"\1.1."),
        (r"^ffm\.conv_1x1\.", "join."),
        (r"^ffm\.channel_attention\.1\.0\.", "join_gate.1."),
        (r"^ffm\.channel_attention\.2\.0\.", "join_gate.3."),
    ),
    ("torchseg", "dfn"): (
        (r"^(border_.*|smooth_heads\.[012]\..*|business_layer\..*)", ""),
        (r"^backbone\.", "encoder."),
        *_TORCHSEG_STEM,
        (r"^smooth_heads\.3\.conv\.", "last."),
        *_STEP,
        (r"^global_context\.1\.", "mean."),
        (r"^smooth_heads\.3\.rrb\.", "head."),
        (r"^smooth_pre_rrbs\.", "enter."),
        (r"^smooth_aft_rrbs\.", "leave."),
        (r"^cabs\.(\d)\.channel_attention\.fc\.0\.", r"gates.\1.inner.1."),
        (r"^cabs\.(\d)\.channel_attention\.fc\.2\.", r"gates.\1.inner.3."),
        (r"\.conv_1x1\.", ".enter."),
        (r"\.cbr\.", ".inner.0."),
        (r"\.conv_refine\.", ".inner.1."),
        # theirs count from the coarsest
        *((rf"^(enter|leave|gates)\.{i}\.", rf"\1.from{3 - i}.") for i in range(4)),
        (r"\.from(\d)\.", r".\1."),
    ),
    ("vedaseg", "pspnet"): (
        (r"^0\.0\.", "encoder."),
        *_STEM,
        *_PLAIN_STEM,
        *_STEP,
        (r"^0\.1\.blocks\.(\d)\.1\.", r"pool.steps.\1.0."),
        (r"^0\.1\.blocks\.(\d)\.2\.", r"pool.steps.\1.1."),
        (r"^2\.block\.0\.block\.0\.", "join."),
        (r"^2\.block\.1\.", "last."),
    ),
    **{
        ("vedaseg", name): (
            (r"^0\.0\.", "encoder."),
            *_STEM,
            *_PLAIN_STEM,
            *_STEP,
            (r"^0\.1\.convs\.4\.1\.", "context.mean.0."),
            (r"^0\.1\.convs\.4\.2\.", "context.mean.1."),
            (r"^0\.1\.convs\.", "context.branches."),
            (r"^0\.1\.project\.", "context.join."),
            (r"^1\.neck\.0\.lateral_blocks\.0\.", "low."),
            (r"^2\.block\.0\.block\.", "join."),
            (r"^2\.block\.1\.", "last."),
            *joined,
        )
        for name, joined in (("deeplab-v3", ((r"^join\.0\.", "join."),)), ("deeplab-v3+", ()))
    },
    ("mmsegmentation", "fcn-resnet"): (
        *_MM,
        *_MM_TRUNK,
        (r"^decode_head\.convs\.", "convs."),
        (r"^decode_head\.conv_cat\.", "join."),
    ),
    ("mmsegmentation", "pspnet"): (
        *_MM,
        *_MM_TRUNK,
        *_MM_POOLING,
        (r"^decode_head\.bottleneck\.", "join."),
    ),
    ("mmsegmentation", "deeplab-v3"): (*_MM, *_MM_TRUNK, *_MM_PYRAMID),
    ("mmsegmentation", "deeplab-v3+"): (
        *_MM,
        *_MM_TRUNK,
        (r"^decode_head\.sep_bottleneck\.", "join."),
        (r"^decode_head\.c1_bottleneck\.", "low."),
        *_MM_PYRAMID,
    ),
    ("mmsegmentation", "fastfcn"): (
        *_MM,
        *_MM_TRUNK,
        (r"^neck\.conv_layers\.(\d)\.0\.", r"enter.\1."),
        (r"^neck\.dilation_layers\.(\d)\.0\.depthwise_conv\.", r"dilated.\1."),
        (r"^neck\.dilation_layers\.(\d)\.0\.pointwise_conv\.", r"dilated.\1.2."),
        (r"^decode_head\.psp_modules\.(\d)\.1\.", r"context.0.steps.\1."),
        *_MM_PYRAMID,
    ),
    ("mmsegmentation", "upernet"): (
        *_MM,
        *_MM_TRUNK,
        *_MM_POOLING,
        (r"^decode_head\.bottleneck\.", "top."),
        (r"^decode_head\.lateral_convs\.", "enter."),
        (r"^decode_head\.fpn_convs\.", "leave."),
        (r"^decode_head\.fpn_bottleneck\.", "join."),
    ),
    ("mmsegmentation", "icnet"): (
        *_MM,
        (r"^backbone\.psp_modules\.(\d)\.1\.", r"pool.steps.\1."),
        (r"^backbone\.psp_bottleneck\.", "deep.0."),
        (r"^backbone\.conv_sub1\.", "thin."),
        (r"^backbone\.conv_sub2\.", "middle."),
        (r"^backbone\.conv_sub4\.", "deep.1."),
        (r"^backbone\.", ""),
        *_MM_TRUNK,
        (r"^neck\.cff_24\.conv_low\.", "dilated.0."),
        (r"^neck\.cff_12\.conv_low\.", "dilated.1."),
        (r"^neck\.cff_24\.conv_high\.", "enter.0."),
        (r"^neck\.cff_12\.conv_high\.", "enter.1."),
        (r"^decode_head\.convs\.0\.", "head."),
    ),
    ("mmsegmentation", "hrnet"): (
        *_MM,
        (r"^backbone\.", "encoder."),
        (r"^decode_head\.convs\.0\.", "head."),
        (r"^last\.", "aux."),
    ),
    ("mmsegmentation", "hrnet-ocr"): (
        *_MM,
        (r"^backbone\.", "encoder."),
        (r"^decode_head\.0\.convs\.0\.", "head."),
        (r"^decode_head\.0\.conv_seg\.", "aux."),
        (r"^decode_head\.1\.conv_seg\.", "last."),
        (r"^decode_head\.1\.bottleneck\.", "enter."),
        (r"^decode_head\.1\.object_context_block\.bottleneck\.0\.",
         "objects.conv_bn_dropout.0."),
        (r"^decode_head\.1\.object_context_block\.bottleneck\.1\.",
         "objects.conv_bn_dropout.1.0."),
        (r"^decode_head\.1\.object_context_block\.", "objects.object_context_block."),
        *_OCR,
    ),
    ("mmsegmentation", "bisenet"): (
        *_MM,
        (r"^backbone\.context_path\.backbone\.", "encoder."),
        *_PLAIN_STEM,
        # theirs count from 1
        *((rf"^backbone\.spatial_path\.layer{i + 1}\.", f"place.{i}.") for i in range(4)),
        (r"^backbone\.context_path\.arm16\.", "arms.0."),
        (r"^backbone\.context_path\.arm32\.", "arms.1."),
        (r"^arms\.(\d)\.conv_layer\.", r"refine.\1."),
        (r"^arms\.(\d)\.atten_conv_layer\.1\.1\.", r"gates.\1.inner.2."),
        (r"^arms\.(\d)\.atten_conv_layer\.1\.0\.", r"gates.\1.inner.1."),
        (r"^backbone\.context_path\.conv_head16\.", "heads.0."),
        (r"^backbone\.context_path\.conv_head32\.", "heads.1."),
        (r"^backbone\.context_path\.gap_conv\.1\.", "mean."),
        (r"^backbone\.ffm\.conv1\.", "join."),
        (r"^backbone\.ffm\.conv_atten\.0\.1\.", "join_gate.2."),
        (r"^backbone\.ffm\.conv_atten\.0\.0\.", "join_gate.1."),
        (r"^last\.", "last.1."),
        (r"^decode_head\.convs\.0\.", "last.0."),
    ),
    ("revolver", "fcn-32s"): (
        (r"^decoder\..*", ""),
        *(
            (rf"^encoder\.conv{i + 1}_{j + 1}\.", f"encoder.stages.{i}.{2 * j}.")
            for i, depth in enumerate((2, 2, 3, 3, 3))
            for j in range(depth)
        ),
        (r"^encoder\.fc6\.", "classifier.0."),
        (r"^encoder\.fc7\.", "classifier.3."),
        (r"^head\.", "score."),
    ),
    ("pytorch-fcn", "fcn"): (
        *(
            (rf"^conv{i + 1}_{j + 1}\.", f"encoder.stages.{i}.{2 * j}.")
            for i, depth in enumerate((2, 2, 3, 3, 3))
            for j in range(depth)
        ),
        (r"^fc6\.", "classifier.0."),
        (r"^fc7\.", "classifier.3."),
        (r"^score_fr\.", "score."),
        (r"^score_pool4\.", "bridges.0."),
        (r"^score_pool3\.", "bridges.1."),
        (r"^upscore2\.", "grow.0."),
        (r"^upscore_pool4\.", "grow.1."),
        (r"^upscore8\.", "grow.2."),
    ),
    ("deeplab-pytorch", "deeplab-v2"): (
        (r"^base\.", ""),
        (r"^layer1\.conv1\.conv\.", "encoder.stem.0."),
        (r"^layer1\.conv1\.bn\.", "encoder.stem.1."),
        # theirs count the stem as the first, and blocks from 1
        *((rf"^layer{i + 1}\.", f"encoder.layer{i}.") for i in range(1, 5)),
        *((rf"\.block{i + 1}\.", f".{i}.") for i in range(23)),
        *(
            rule
            for i, name in enumerate(("reduce", "conv3x3", "increase"))
            for rule in (
                (rf"\.{name}\.conv\.", f".conv{i + 1}."), (rf"\.{name}\.bn\.", f".bn{i + 1}."),
            )
        ),
        (r"\.shortcut\.conv\.", ".downsample.0."),
        (r"\.shortcut\.bn\.", ".downsample.1."),
        (r"^aspp\.c", "heads."),
    ),
    ("segmentation-models", "pan"): (
        *_PLAIN_STEM,
        *_STEP,
        (r"^decoder\.fpa\.branch1\.1\.", "mean."),
        (r"^decoder\.fpa\.mid\.0\.", "middle."),
        (r"^decoder\.fpa\.down3\.2\.", "level.2."),
        # theirs count from 1
        *((rf"^decoder\.fpa\.down{i + 1}\.1\.", f"falling.{i}.") for i in range(3)),
        *((rf"^decoder\.fpa\.conv{i + 1}\.", f"level.{i}.") for i in range(2)),
        *(
            rule
            for i in range(3)
            for rule in (
                # and from the finest
                (rf"^decoder\.gau{3 - i}\.conv1\.1\.0\.", f"gates.{i}.inner.1."),
                (rf"^decoder\.gau{3 - i}\.conv1\.1\.1\.", f"gates.{i}.inner.2."),
                (rf"^decoder\.gau{3 - i}\.conv2\.", f"enter.{i}."),
            )
        ),
        (r"^segmentation_head\.0\.", "last."),
    ),
    ("unext", "unext"): (
        # theirs count from 1, and from 3
        *(
            rule
            for i in range(5)
            for rule in (
                (rf"^encoder{i + 1}\.", f"down.{i}.0."), (rf"^ebn{i + 1}\.", f"down.{i}.1."),
                (rf"^decoder{i + 1}\.", f"up.{i}.0."), (rf"^dbn{i + 1}\.", f"up.{i}.1."),
            )
        ),
        *(
            rule
            for i in range(2)
            for rule in (
                (rf"^patch_embed{i + 3}\.proj\.", f"embed.{i}."),
                (rf"^patch_embed{i + 3}\.norm\.", f"enter.{i}."),
                (rf"^block{i + 1}\.0\.", f"mix.{i}."), (rf"^dblock{i + 1}\.0\.", f"mix_up.{i}."),
                (rf"^norm{i + 3}\.", f"leave.{i}."), (rf"^dnorm{i + 3}\.", f"leave.{i + 2}."),
            )
        ),
        (r"\.norm2\.", ".norm."),
        (r"\.mlp\.fc1\.", ".first."),
        (r"\.mlp\.dwconv\.dwconv\.", ".depthwise."),
        (r"\.mlp\.fc2\.", ".second."),
        (r"^final\.", "last."),
    ),
    ("nested-unet", "unet++"): (
        # with deep supervision the last of four outputs is the answer
        (r"^final[123]\..*", ""),
        (r"^final4?\.", "last.0."),
        (r"^conv(\d_\d)\.", r"nodes.\1."),
        *_PAIR,
    ),
    ("nested-unet", "unet"): (
        (r"^final\.", "last."),
        (r"^conv(\d)_0\.", r"down.\1."),
        (r"^conv\d_([1-4])\.", r"join.from\1."),
        # theirs count from 1
        *((rf"^join\.from{i + 1}\.", f"join.{i}.") for i in range(4)),
        *_PAIR,
    ),
    ("pytorch-enet", "enet"): (
        (r"^initial_block\.main_branch\.", "first."),
        (r"^initial_block\.batch_norm\.", "first_norm.0."),
        (r"^initial_block\.out_activation\.", "first_norm.1."),
        (r"^downsample(\d)_0\.", r"down\1."),
        (r"^upsample4_0\.", "up1."),
        (r"^upsample5_0\.", "up2."),
        (r"^(up\d)\.main_conv1\.", r"\1.main."),
        (r"^(up\d)\.ext_conv1\.", r"\1.inner."),
        (r"^(up\d)\.ext_tconv1\.", r"\1.inner.3."),
        (r"^(up\d)\.ext_tconv1_bnorm\.", r"\1.inner.4."),
        *((rf"^(up\d)\.ext_conv2\.{i}\.", rf"\1.inner.{i + 6}.") for i in (0, 1)),
        # a convolution as 5x1 and 1x5 has six layers in place of three
        *((rf"^(asymmetric.*)\.ext_conv3\.{i}\.", rf"\1.inner.{i + 9}.") for i in range(3)),
        *((rf"\.ext_conv3\.{i}\.", f".inner.{i + 6}.") for i in range(3)),
        *((rf"\.ext_conv2\.{i}\.", f".inner.{i + 3}.") for i in range(6)),
        (r"\.ext_conv1\.", ".inner."),
        (r"\.out_activation\.", ".last."),
        (r"^regular5_1\.", "stage5."),
        # theirs count from 1, in the third stage from 0
        *((rf"^regular1_{i + 1}\.", f"stage1.{i}.") for i in range(4)),
        *((rf"^[a-z]+2_{i + 1}\.", f"stage2.{i}.") for i in range(8)),
        *((rf"^[a-z]+3_{i}\.", f"stage2.{i + 8}.") for i in range(8)),
        *((rf"^regular4_{i + 1}\.", f"stage4.{i}.") for i in range(2)),
        (r"^transposed_conv\.", "last."),
    ),
    ("disir", "disir-classes"): (
        (r"^conv1\.", "enter.0."),
        (r"^bn1\.", "enter.1."),
        # theirs count from 1, the decoder's from the finest
        *(
            (rf"^encoder{i + 1}\.block{j + 1}\.", f"encoder.{i}.{j}.")
            for i in range(4)
            for j in range(6)
        ),
        *((rf"^decoder{4 - i}\.", f"decoder.{i}.") for i in range(4)),
        (r"^(decoder\.\d)\.conv1\.", r"\1.0."),
        (r"^(decoder\.\d)\.tp_conv\.", r"\1.1."),
        (r"^(decoder\.\d)\.conv2\.", r"\1.2."),
        (r"^tp_conv1\.", "leave.0."),
        (r"^conv2\.", "leave.1."),
        (r"^tp_conv2\.", "leave.2."),
    ),
    ("prm", "prm"): (
        (r"^0\.", ""),
        (r"^features\.0\.", "encoder.stem.0."),
        (r"^features\.1\.", "encoder.stem.1."),
        *((rf"^features\.{i + 3}\.", f"encoder.layer{i}.") for i in range(1, 5)),
        (r"^classifier\.0\.", "last."),
    ),
    ("refinenet-pytorch", "refinenet"): (
        (r"^(conv1|bn1|layer\d)\.", r"encoder.\1."),
        *_PLAIN_STEM,
        # what leaves a stage is what the next one takes from above
        *((rf"^mflow_conv_g{i}_b3_joint_varout_dimred\.", f"stages.{i}.fuse_above.")
          for i in (1, 2, 3)),
        *(
            rule
            for i in range(4)
            for rule in (
                (rf"^p_ims1d2_outl{i + 1}_dimred\.", f"stages.{i}.enter.0."),
                (rf"^adapt_stage{i + 1}_b\.0\.", f"stages.{i}.enter.1."),
                (rf"^adapt_stage{i + 1}_b2_joint_varout_dimred\.", f"stages.{i}.fuse_own."),
                (rf"^mflow_conv_g{i + 1}_b\.0\.", f"stages.{i}.leave."),
                *(
                    (rf"^mflow_conv_g{i + 1}_pool\.0\.{j + 1}_outvar_dimred\.",
                     f"stages.{i}.chain.{j}.")
                    for j in range(4)
                ),
            )
        ),
        *(
            rule
            for i in range(3)
            for rule in (
                (rf"\.{i + 1}_conv\.", f".parts.{i}.1."),
                (rf"\.{i + 1}_conv_relu_varout_dimred\.", f".parts.{i}.3."),
            )
        ),
        (r"^clf_conv\.", "last."),
    ),
}  # fmt: skip
"""By project and network: patterns of names and what takes their place, as `recognise.RULES`."""

# channels that come in another order: by which share of them they are turned round. The mean of the
# image comes first in mmsegmentation's pyramid, the pooled means in its ICNet, and a stage's own
# features in DFN's gates.
_TURNED: Mapping[tuple[str, str], Mapping[str, Fraction]] = {
    ("mmsegmentation", "deeplab-v3"): {r"context\.join\.0\.weight": Fraction(-1, 5)},
    ("mmsegmentation", "deeplab-v3+"): {r"context\.join\.0\.weight": Fraction(-1, 5)},
    ("mmsegmentation", "fastfcn"): {r"context\.join\.0\.weight": Fraction(-1, 5)},
    ("mmsegmentation", "icnet"): {r"deep\.0\.0\.weight": Fraction(1, 2)},
    ("torchseg", "dfn"): {r"gates\.\d\.inner\.1\.weight": Fraction(1, 2)},
}
# layers that have no bias there; adding zero is the same
_WITHOUT_BIAS: Mapping[tuple[str, str], str] = {
    ("torchseg", "bisenet"): r"join_gate\.[13]\.bias",
    ("refinenet-pytorch", "refinenet"): (
        r"stages\.\d\.(enter\.0|fuse_own|fuse_above|chain\.\d|(enter\.1|leave)\.parts\.\d\.3)\.bias"
    ),
    ("torchseg", "dfn"): r"(enter|leave)\.\d\.(enter|inner\.1)\.bias|head\.(enter|inner\.1)\.bias",
}


def project_of(names: Any) -> str:
    """Return whose names these are, "" if nobody's that is known."""
    for project, pattern in _TELL_TALES:
        if any(re.match(pattern, name) for name in names):
            return project
    return ""


def read_published(
    path: Path, network: str, settings: Mapping[str, Any]
) -> tuple[dict[str, Any], NetworkLayout, tuple[str, ...], float]:
    """Return weights of a published file as a network here has them, and how it is built.

    Parameters
    ----------
    path : Path
        What `load_checkpoint` reads.
    network : str
        One of `SEMANTIC_NETWORKS`.
    settings : mapping
        "names", of the classes, where the file does not tell them; "width", of a narrower network;
        others of `networks.SIZES` that no name or shape tells: "stride", "grid".

    Returns
    -------
    state : dict of str to Tensor
    layout : NetworkLayout
    names : tuple of str
        Of the classes, as many as there are.
    width : float

    Raises
    ------
    WeightsError
        If the file cannot be read, is of no known project or of another network, or a setting does
        not fit.
    """
    import torch

    given = load_checkpoint(path, stand_ins=_COURSE)
    about = given.get("meta") if isinstance(given, dict) else None
    for key in ("state_dict", "model"):
        if isinstance(given, dict) and isinstance(given.get(key), dict):
            given = given[key]
    tensors = {
        # training on several GPUs puts a word before every name
        str(name).removeprefix("module."): value
        for name, value in (given.items() if isinstance(given, dict) else ())
        if hasattr(value, "shape")
    }
    project = project_of(tensors)
    if (project, network) not in NAMES:
        known = ", ".join(f"{n} of {who}" for who, nets in LAYOUTS.items() for n in nets)
        raise WeightsError(
            f"weights have unknown names: expected {known}, got {network!r} of "
            f"{project or 'a project that is not known'} in {str(path)!r}. Export it to ONNX and "
            "describe its output."
        )
    rules = NAMES[project, network]
    if network == "fastfcn" and "decode_head.psp_modules.0.1.conv.weight" in tensors:
        # what joins pooled means has the name of what joins the pyramid
        rules = ((r"^decode_head\.bottleneck\.", "context.1."), *rules)
    state = renamed(tensors, rules)
    last = next((state[n] for n in _LAST if n in state), None)
    chosen = dict(settings)
    width = float(chosen.pop("width", 1.0))
    names = chosen.pop("names", None) or _classes_of(about) or ()
    count = int(last.shape[_CLASSES.get(project, 0)]) if last is not None else len(names)
    names = tuple(str(name) for name in names) or tuple(f"class {i}" for i in range(count))
    alone = project in _WITHOUT_BACKGROUND or count == 1
    if alone and last is not None and len(names) == count:
        count, names = count + 1, ("background", *names)
        for name in [n for n in state if re.fullmatch(r"last(\.0)?\.(weight|bias)", n)]:
            state[name] = torch.cat((torch.zeros_like(state[name][:1]), state[name]))
    if len(names) != count:
        raise WeightsError(
            f"names do not fit the weights: expected {count} classes, got {len(names)} names for "
            f"{str(path)!r}. Name every class by --setting names=[...]."
        )
    layout = NetworkLayout(project, {**_sizes(state, network), **chosen})
    try:
        net = build_semantic(network, count, width, layout)
    except ValueError as err:
        raise WeightsError(
            f"weights have no such network: expected settings of one that is published, got "
            f"{dict(settings)!r} ({err})"
        ) from err
    return _fitted(state, net.state_dict(), (project, network), path), layout, names, width


_LAST = (
    "last.weight", "last.1.weight", "last.0.weight", "aux.weight", "score.weight", "leave.2.weight",
    "heads.0.weight",
)  # fmt: skip
# of a transposed convolution the second axis has the outputs
_CLASSES = {"disir": 1, "pytorch-enet": 1}


def _classes_of(about: Any) -> Any:
    """Return the names of classes that mmsegmentation's files carry, of versions 0 and 1."""
    if not isinstance(about, Mapping):
        return None
    told = about.get("dataset_meta")
    return about.get("CLASSES") or (told.get("classes") if isinstance(told, Mapping) else None)


_OF_ONE_SIZE = frozenset({"fcn", "fcn-32s", "unext", "unet", "unet++", "enet", "disir-classes"})


def _sizes(state: Mapping[str, Any], network: str) -> dict[str, Any]:
    """Return what names and shapes say of a network's size."""
    out: dict[str, Any] = {}
    if network.startswith("hrnet"):
        branch = state.get("encoder.transition1.0.0.weight")
        out["branch"] = 0 if branch is None else int(branch.shape[0])
        # of four exchanges in the third stage the small version has three
        out["small"] = "encoder.stage3.3.branches.0.0.conv1.weight" not in state
        return out
    if network in _OF_ONE_SIZE:
        return out
    blocks = len({m[1] for n in state if (m := re.match(r"encoder\.layer3\.(\d+)\.", n))})
    wide = "encoder.layer3.0.conv3.weight" in state
    depths = {(2, False): 18, (6, False): 34, (6, True): 50, (23, True): 101, (36, True): 152}
    if network != "bisenet":
        out["depth"] = depths.get((blocks, wide), 0)
        if "encoder.stem.0.weight" in state:
            out["stem"] = "plain"
        elif "encoder.stem.2.0.weight" in state:
            inner, last = (state[f"encoder.stem.{i}.0.weight"].shape[0] for i in (0, 2))
            first = state["encoder.layer1.0.conv1.weight"].shape[0]
            out["stem"] = "narrow" if last == first and 2 * inner == last else "wide"
    if network == "fastfcn" and any(n.startswith("context.branches.") for n in state):
        out["context"] = "joined pyramid"
    return out


def _fitted(
    state: Mapping[str, Any], begun: Mapping[str, Any], key: tuple[str, str], path: Path
) -> dict[str, Any]:
    """Return weights in the shapes of the network here; every one must be there and fit."""
    import torch

    without = _WITHOUT_BIAS.get(key)
    out, missing = {}, []
    for name, value in begun.items():
        found = state.get(name)
        if found is None and without is not None and re.fullmatch(without, name):
            found = torch.zeros_like(value)
        if found is None and name.endswith("num_batches_tracked"):
            found = value
        if found is None or fitted_shape(found, value) != value.shape:
            missing.append(name)
            continue
        check_numbers(found, name, path, like=value)
        # fully connected layers are convolutions of one pixel here
        found = found.reshape(value.shape)
        for pattern, share in _TURNED.get(key, {}).items():
            if re.fullmatch(pattern, name):
                found = found.roll(int(share * found.shape[1]), 1)
        out[name] = found.to(value.dtype)
    unknown = [name for name in state if name not in begun]
    if missing or unknown:
        raise WeightsError(
            f"weights are of another network: expected those of {key[1]!r} as {key[0]} has them, "
            f"missing or of another shape are {', '.join(missing[:3]) or 'none'}, unknown "
            f"{', '.join(unknown[:3]) or 'none'} in {str(path)!r}. Choose the network that the "
            "file belongs to."
        )
    return out

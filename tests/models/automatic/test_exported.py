"""Exported networks: tiny ones, made here, whose answers are known."""

import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from napari_intseg.errors import DeviceError, MissingExtraError, PromptError, WeightsError
from napari_intseg.models.automatic.exported import load_bioimage, load_exported
from napari_intseg.models.automatic.exported_files import KINDS, read_description
from small_onnx import FLOAT, always, constant, linear, save

SIZE = (40, 56)


def image():
    """A bright square on the left, a bright disc on the right, on dark ground."""
    rows, cols = np.indices(SIZE)
    bright = np.zeros(SIZE, bool)
    bright[8:20, 6:20] = True
    bright |= (rows - 24) ** 2 + (cols - 40) ** 2 < 80
    return np.repeat(np.where(bright, 0.9, 0.1).astype(np.float32)[..., None], 3, axis=2), bright


def describe(path, kind, *, rules=None, **output):
    told = {"input": rules or {}, "output": {"kind": kind, **output}}
    path.with_suffix(".json").write_text(json.dumps(told))
    return path


BRIGHT = ([[0, 0, 0], [10, 10, 10]], [5, -10])  # background wins below a mean of 0.5


def found_by(path, **options):
    return load_exported(path, device="cpu").find(image()[0], **options)


def test_classes_are_masks_by_name(tmp_path):
    path = linear(tmp_path / "net.onnx", *BRIGHT)
    describe(path, "classes", names=["background", "cell"])
    (cell,) = found_by(path)
    assert cell.name == "cell"
    assert cell.score > 0.99
    np.testing.assert_array_equal(cell.mask, image()[1])
    assert not load_exported(path).traits.objects_apart


def test_pieces_of_a_class_can_be_objects(tmp_path):
    path = linear(tmp_path / "net.onnx", *BRIGHT)
    describe(path, "classes", names=["background", "cell"], apart=True)
    found = found_by(path)
    assert [one.mask.sum() for one in found] == [168, image()[1].sum() - 168] or len(found) == 2
    assert load_exported(path).traits.objects_apart


def test_one_map_is_a_probability(tmp_path):
    path = linear(tmp_path / "net.onnx", [[10, 10, 10]], [-15], name="y")
    describe(path, "classes", names=["background", "cell"], outputs={"classes": "y"})
    (cell,) = found_by(path)
    np.testing.assert_array_equal(cell.mask, image()[1])
    assert found_by(path, threshold=0.9999999) == ()


@pytest.mark.parametrize(
    "rules",
    [
        {"range": [0, 255], "mean": [127.5], "std": [255]},
        {"range": [-1, 1], "std": [2, 2, 2]},
        {"mean": [0.5, 0.5, 0.5]},
    ],
)
def test_images_are_scaled_as_described(tmp_path, rules):
    path = linear(tmp_path / "net.onnx", [[10, 10, 10]], [0], name="classes")
    describe(path, "classes", rules=rules)
    np.testing.assert_array_equal(found_by(path)[0].mask, image()[1])


def test_percentiles_and_deviation_take_the_light_away(tmp_path):
    path = linear(tmp_path / "net.onnx", [[10.0]], [-5], channels=1)
    describe(path, "classes", rules={"channels": 1, "normalise": "percentile"})
    dim = image()[0] * 0.01 + 0.3
    np.testing.assert_array_equal(load_exported(path).find(dim)[0].mask, image()[1])
    describe(path, "classes", rules={"channels": 1, "normalise": "zero-mean", "range": [0.5, 1.5]})
    np.testing.assert_array_equal(load_exported(path).find(dim)[0].mask, image()[1])


def test_sizes_are_resized_or_padded_and_answers_come_back(tmp_path):
    path = linear(tmp_path / "net.onnx", *BRIGHT, sides=(80, 112))
    describe(path, "classes", names=["background", "cell"])
    wrong = np.count_nonzero(found_by(path)[0].mask ^ image()[1])
    assert wrong < 0.05 * image()[1].sum()
    padded = linear(tmp_path / "padded.onnx", *BRIGHT)
    describe(padded, "classes", rules={"multiple": 32}, names=["background", "cell"])
    np.testing.assert_array_equal(found_by(padded)[0].mask, image()[1])


def test_channels_may_come_last(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Add", ["y", "b"], ["classes"]),
    ]
    weights = np.array([[0, 10]] * 3)
    path = save(
        tmp_path / "net.onnx", nodes, [("classes", 4, FLOAT)], layout="NHWC",
        initializers=[constant("w", weights), constant("b", [5, -10])],
    )  # fmt: skip
    describe(path, "classes", rules={"layout": "NHWC"}, names=["background", "cell"])
    np.testing.assert_array_equal(found_by(path)[0].mask, image()[1])


def test_boxes_with_masks(tmp_path):
    path = always(
        tmp_path / "net.onnx",
        {
            "boxes": [[6, 8, 20, 20], [6, 8, 21, 20], [30, 14, 50, 34]],
            "labels": np.array([1, 1, 2]),
            "scores": [0.9, 0.8, 0.7],
            "masks": np.ones((3, 1, 28, 28)),
        },
    )
    describe(path, "instances", names=["background", "square", "disc"])
    found = found_by(path)
    assert [(one.name, one.score) for one in found] == [
        ("square", pytest.approx(0.9)), ("disc", pytest.approx(0.7)),
    ]  # fmt: skip
    assert found[0].mask[8:20, 6:20].all()
    assert len(found_by(path, threshold=0.75)) == 1


def test_scores_a_class_boxes_as_shares_and_masks_a_class(tmp_path):
    masks = np.zeros((1, 3, 14, 14))
    masks[0, 2] = 1
    path = always(
        tmp_path / "net.onnx",
        {"boxes": [[0.5, 0.5, 0.2, 0.5]], "scores": [[0.05, 0.05, 0.9]], "masks": masks},
    )
    outputs = {"boxes": "boxes", "scores": "scores", "masks": "masks"}
    describe(path, "instances", relative=True, boxes_as="centre", outputs=outputs)
    (one,) = found_by(path)
    assert one.name == "2"
    rows, cols = np.nonzero(one.mask)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (10, 29, 22, 33)


def test_prototypes_and_mask_scores(tmp_path):
    prototypes = np.stack([np.where(image()[1], 9.0, -9.0), np.zeros(SIZE)])
    arrays = {
        "boxes": [[0, 0, 25, 40]], "scores": [0.9], "mask_scores": [0.8],
        "coefficients": [[1.0, 0]], "prototypes": prototypes[None],
    }  # fmt: skip
    path = always(tmp_path / "net.onnx", arrays)
    describe(path, "instances", outputs={name: name for name in arrays})
    (one,) = found_by(path)
    assert one.score == pytest.approx(0.72)
    assert one.mask.sum() == 168


def discs():
    from scipy.ndimage import label

    return label(image()[1])[0]


def test_embeddings_are_clustered(tmp_path):
    where = discs()
    path = always(
        tmp_path / "net.onnx",
        {"embedding": np.stack([where * 4.0, where * 0.0])[None],
         "foreground": np.where(where > 0, 9.0, -9.0)[None, None]},
    )  # fmt: skip
    describe(path, "embedding", bandwidth=1.0)
    found = found_by(path)
    assert sorted(one.mask.sum() for one in found) == sorted(np.bincount(where.ravel())[1:])
    seeds = always(
        tmp_path / "seeds.onnx",
        {"embedding": np.stack([where * 6.0, where * 0.0])[None],
         "seediness": np.where(where == 1, 0.8, np.where(where == 2, 0.6, 0))[None, None]},
    )  # fmt: skip
    describe(seeds, "embedding", outputs={"embedding": "embedding", "seediness": "seediness"})
    assert [one.score for one in found_by(seeds)] == pytest.approx([0.8, 0.6])


def test_spatial_embeddings(tmp_path):
    where = discs()
    rows, cols = np.indices(SIZE) / 1023
    maps = np.zeros((4, *SIZE))
    for number in (1, 2):
        mask = where == number
        maps[0][mask] = np.arctanh(cols[mask].mean() - cols[mask])
        maps[1][mask] = np.arctanh(rows[mask].mean() - rows[mask])
    maps[2], maps[3] = 0.9, np.where(where > 0, 4, -4)
    path = always(tmp_path / "net.onnx", {"maps": maps[None]})
    describe(path, "spatial-embedding")
    found = found_by(path)
    assert sorted(one.mask.sum() for one in found) == sorted(np.bincount(where.ravel())[1:])


def test_distances_stars_and_flows(tmp_path):
    from scipy.ndimage import distance_transform_edt

    where = discs()
    distance = distance_transform_edt(where > 0)
    path = always(tmp_path / "distance.onnx", {"distance": distance[None, None]})
    describe(path, "distance", window=11)
    assert len(found_by(path)) == 2
    prob = np.zeros((20, 28))
    prob[12, 20] = 0.9
    stars = always(
        tmp_path / "stars.onnx",
        {"prob": prob[None, None], "distances": np.full((1, 32, 20, 28), 8.0)},
    )
    describe(stars, "stars", grid=2)
    (one,) = found_by(stars)
    assert np.count_nonzero(one.mask ^ (where == 2)) < 0.3 * np.count_nonzero(where == 2)
    flows = np.zeros((3, *SIZE))
    for number in (1, 2):
        there = np.argwhere(where == number)
        to = there.mean(axis=0) - there
        unit = (to / np.maximum(np.linalg.norm(to, axis=1), 1)[:, None]).T
        flows[:2, where == number] = 5 * unit
    flows[2] = np.where(where > 0, 6, -6)
    cells = always(tmp_path / "flows.onnx", {"flows": flows[None]})
    describe(cells, "flows")
    assert len(found_by(cells)) == 2


def test_centres_and_offsets(tmp_path):
    where = discs()
    heat, offsets = np.zeros(SIZE), np.zeros((2, *SIZE))
    for number in (1, 2):
        there = np.argwhere(where == number)
        centre = np.rint(there.mean(axis=0)).astype(int)
        heat[tuple(centre)] = 0.5 + 0.1 * number
        offsets[:, where == number] = (centre - there).T
    classes = np.stack([where == 0, where > 0]).astype(float)
    path = always(
        tmp_path / "net.onnx",
        {"classes": classes[None], "heat": heat[None, None], "offsets": offsets[None]},
    )
    describe(path, "centre-offsets", names=["background", "cell"])
    found = found_by(path)
    assert [one.name for one in found] == ["cell", "cell"]
    assert [one.score for one in found] == pytest.approx([0.7, 0.6])


def test_lists_and_peaks(tmp_path):
    where = discs()
    masks = np.stack([where == 2, where == 1]).astype(float)
    path = always(tmp_path / "list.onnx", {"masks": masks[None], "stop": [0.9, 0.2]})
    describe(path, "list")
    (one,) = found_by(path)
    np.testing.assert_array_equal(one.mask, where == 2)
    peaks = always(
        tmp_path / "peaks.onnx",
        {"responses": masks[:1][None], "peak_maps": masks[:1], "proposals": masks[None]},
    )
    describe(peaks, "peaks")
    np.testing.assert_array_equal(found_by(peaks)[0].mask, where == 2)


def test_objects_and_the_edges_between_them(tmp_path):
    touching = np.zeros(SIZE)
    touching[10:30, 10:40] = 1
    edge = np.zeros(SIZE)
    edge[10:30, 24:26] = 1
    path = always(tmp_path / "net.onnx", {"foreground": np.stack([touching, edge])[None]})
    describe(path, "foreground", activation="none")
    found = found_by(path)
    assert sum(one.mask.sum() for one in found) == 600
    assert sorted(one.mask.sum() for one in found) == pytest.approx([300, 300], abs=45)


def test_text_is_refused(tmp_path):
    path = describe(linear(tmp_path / "net.onnx", *BRIGHT), "classes")
    with pytest.raises(PromptError, match="expected no text"):
        load_exported(path).find(image()[0], ["cell"])


def test_a_network_without_a_description_says_what_to_write(tmp_path):
    path = linear(tmp_path / "net.onnx", *BRIGHT)
    with pytest.raises(WeightsError, match=r"expected 'net\.toml' beside .*kind"):
        load_exported(path)
    path.with_suffix(".toml").write_text('[output]\nkind = "classes"\n')
    assert load_exported(path).find(image()[0])
    with pytest.raises(WeightsError, match="network is missing"):
        load_exported(tmp_path / "other.onnx")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"output": {"kind": "magic"}}', "kind is none of"),
        ('{"output": {"kind": "classes"}, "input": {"colour": 3}}', "has no 'colour'"),
        ('{"output": {"kind": "classes"}, "input": {"channels": 4}}', "neither 1 nor 3"),
        ('{"output": {"kind": "classes"}, "input": {"layout": "HW"}}', "neither NCHW"),
        ('{"output": {"kind": "classes", "layout": "HW"}}', "neither NCHW"),
        ('{"output": {"kind": "classes"}, "input": {"size": [9, 1e9]}}', "no number of pixels"),
        ('{"output": {"kind": "classes"}, "input": {"std": [0]}}', "std is 0"),
        ('{"output": {"kind": "classes"}, "input": {"mean": [0, 1]}}', "another length"),
        ('{"output": {"kind": "classes"}, "input": {"normalise": "x"}}', "normalise is none"),
    ],
)
def test_descriptions_that_say_nonsense_are_told(tmp_path, text, told):
    (tmp_path / "net.json").write_text(text)
    with pytest.raises(WeightsError, match=told):
        read_description(tmp_path / "net.json")


def test_outputs_that_are_not_there_are_told(tmp_path):
    path = linear(tmp_path / "net.onnx", *BRIGHT)
    describe(path, "classes", outputs={"classes": "logits"})
    with pytest.raises(WeightsError, match="expected 'logits', got classes"):
        load_exported(path)
    describe(path, "centre-offsets")
    with pytest.raises(WeightsError, match="network lacks an output: expected 'heat'"):
        found_by(path)
    describe(path, "classes", threshold="much")
    with pytest.raises(WeightsError, match="parameter is no number"):
        found_by(path)
    flat = always(tmp_path / "flat.onnx", {"classes": [1.0, 2.0]})
    describe(flat, "classes")
    with pytest.raises(WeightsError, match="output is no map"):
        found_by(flat)


def test_a_network_that_cannot_take_the_image_is_told(tmp_path):
    path = describe(linear(tmp_path / "net.onnx", *BRIGHT), "classes", rules={"channels": 1})
    with pytest.raises(WeightsError, match="network does not run"):
        found_by(path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 99, b"PK\x03\x04" * 9])
def test_what_is_no_onnx_file_is_told(tmp_path, content):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    describe(path, "classes")
    with pytest.raises(WeightsError, match="network cannot be read"):
        load_exported(path)


def lead_to(tmp_path, place):
    path = describe(linear(tmp_path / "net.onnx", *BRIGHT), "classes")
    model = onnx.load(path)
    onnx.save(
        model, path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )  # fmt: skip
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = place
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_beside_the_file_are_taken_and_no_others(tmp_path):
    by_name = {one.name: one.mask for one in found_by(lead_to(tmp_path, "weights.bin"))}
    np.testing.assert_array_equal(by_name["1"], image()[1])
    for place in ("../weights.bin", "/etc/passwd", "..\\weights.bin"):
        with pytest.raises(WeightsError, match="not safe to load"):
            load_exported(lead_to(tmp_path, place))
    path = lead_to(tmp_path, "link.bin")
    (tmp_path / "link.bin").symlink_to(tmp_path / "weights.bin")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WeightsError, match="not safe to load"):
        load_exported(lead_to(tmp_path, "pipe"))
    path = lead_to(tmp_path, "link.bin")
    with pytest.raises(WeightsError, match="not safe to load"):
        load_exported(path)


def test_a_device_that_is_not_there_is_told(tmp_path):
    path = describe(linear(tmp_path / "net.onnx", *BRIGHT), "classes")
    with pytest.raises(DeviceError, match="expected auto or cpu"):
        load_exported(path, device="mps")


def test_a_missing_package_names_its_extra(tmp_path, monkeypatch):
    path = describe(linear(tmp_path / "net.onnx", *BRIGHT), "classes")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"napari-intseg\[onnx\]"):
        load_exported(path)


def rdf(folder, *, axes="bcyx", weights=None, steps=(), post=(), multiple=16):
    import yaml

    told = {
        "format_version": "0.4.10", "name": "small", "license": "MIT", "type": "model",
        "inputs": [{"name": "x", "axes": axes,
                    "shape": {"min": [1, 1, 16, 16], "step": [0, 0, multiple, multiple]},
                    "preprocessing": list(steps)}],
        "outputs": [{"name": "y", "axes": "bcyx", "postprocessing": list(post)}],
        "weights": weights or {"onnx": {"source": "weights.onnx"}},
    }  # fmt: skip
    (folder / "rdf.yaml").write_text(yaml.safe_dump(told))
    return folder


def test_a_model_of_the_zoo_runs(tmp_path):
    linear(tmp_path / "weights.onnx", [[1.0], [0.0]], [0, 0])
    step = {"name": "scale_range", "kwargs": {"min_percentile": 1, "max_percentile": 99}}
    told = rdf(tmp_path, steps=[step])
    path = linear(tmp_path / "weights.onnx", [[10.0], [0.0]], [-5, -5], channels=1)
    assert path.is_file()
    text = (told / "rdf.yaml").read_text()
    assert "scale_range" in text
    with pytest.raises(WeightsError, match="does not run"):
        load_bioimage(tmp_path).find(image()[0])
    modern = {
        "format_version": "0.5.3", "name": "small", "license": "MIT",
        "inputs": [{"id": "x", "axes": [
            {"type": "batch"}, {"type": "channel", "channel_names": ["grey"]},
            {"type": "space", "id": "y", "size": {"min": 16, "step": 16}},
            {"type": "space", "id": "x", "size": {"min": 16, "step": 16}}],
            "preprocessing": [{"id": "scale_range", "kwargs": {"max_percentile": 99.8}}]}],
        "outputs": [{"id": "y", "axes": [
            {"type": "batch"}, {"type": "channel", "channel_names": ["cell", "edge"]},
            {"type": "space", "id": "y"}, {"type": "space", "id": "x"}],
            "postprocessing": [{"id": "sigmoid"}]}],
        "weights": {"onnx": {"source": "weights.onnx"}},
    }  # fmt: skip
    import yaml

    (tmp_path / "rdf.yaml").write_text(yaml.safe_dump(modern))
    model = load_bioimage(tmp_path / "rdf.yaml")
    assert (model.traits.title, model.traits.licence) == ("small", "MIT")
    found = model.find(image()[0])
    assert sorted(one.mask.sum() for one in found) == sorted(np.bincount(discs().ravel())[1:])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"weights": {"torchscript": {"source": "w.pt"}}}, "no weights that are safe"),
        ({"weights": {"onnx": {"source": "../../w.onnx"}}}, "leads elsewhere"),
        ({"axes": "bczyx"}, "not those of a batch of images"),
        ({"steps": [{"name": "clip", "kwargs": {}}]}, "'clip' cannot be done"),
        ({"post": [{"name": "scale_range"}]}, "'scale_range' cannot be done"),
        ({"multiple": 10**9}, "size is no number of pixels"),
    ],
)
def test_a_model_of_the_zoo_that_cannot_run_says_why(tmp_path, options, told):
    linear(tmp_path / "weights.onnx", *BRIGHT)
    with pytest.raises(WeightsError, match=told):
        load_bioimage(rdf(tmp_path, **options))


def test_sizes_that_no_image_has_are_refused_before_memory_is_taken(tmp_path):
    path = linear(tmp_path / "net.onnx", *BRIGHT, sides=(10**6, 10**6))
    describe(path, "classes")
    with pytest.raises(WeightsError, match="at most 16384 pixels a side"):
        load_exported(path)
    path = always(tmp_path / "peaks.onnx", {"distance": np.zeros((1, 1, 8, 8), np.float32)})
    describe(path, "distance", window=10**9)
    with pytest.raises(WeightsError, match="at most 511 for 'window', got 1000000000"):
        found_by(path)


def test_an_unpacked_package_without_its_description_is_told(tmp_path):
    with pytest.raises(WeightsError, match="package has no description"):
        load_bioimage(tmp_path)
    (tmp_path / "rdf.yaml").write_text("a: [")
    with pytest.raises(WeightsError, match="description cannot be read"):
        load_bioimage(tmp_path)


def test_the_description_of_the_guide_is_understood(tmp_path):
    guide = Path(__file__).resolve().parents[3] / "docs" / "guides" / "automatic.md"
    page = guide.read_text("utf-8")
    (tmp_path / "net.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    told = read_description(tmp_path / "net.toml")
    assert (told.title, told.names[1], told.parameters["apart"]) == ("Nuclei", "nucleus", True)
    assert told.input.multiple == 32
    for kind in KINDS:
        assert f"| `{kind}` |" in page

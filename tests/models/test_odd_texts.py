"""Descriptions and metadata beside weights: one error of ours, whatever their text is."""

import json
import struct

import pytest

from napari_intseg.errors import WeightsError
from napari_intseg.models.automatic.exported import load_bioimage
from napari_intseg.models.automatic.exported_files import read_description
from napari_intseg.models.automatic.hub_models import read_config, read_preparation
from napari_intseg.models.automatic.semantic_model import read_semantic
from napari_intseg.models.bundled import load_net
from napari_intseg.models.bundled_input import read_traits
from napari_intseg.models.networks import NETWORKS
from napari_intseg.models.vertex_predictors import KINDS, load_vertices
from napari_intseg.models.weights.store import SEMANTIC, read_metadata

ODD = {
    "nested": "[" * 3000 + "]" * 3000,
    "a name twice": '{"input": {}, "model_type": "sam3", "model_type": "detr", "input": {}}',
    "no number": '{"input": {"range": [0, NaN]}, "output": {"kind": "classes"}}',
    "too large": '{"input": {"mean": [%s]}, "output": {"kind": "classes"}}' % ("9" * 400),
    "half a letter": r'{"model_type": "\ud800", "output": {"kind": "\ud800"}}',
    "a list": "[]",
    "a number": "5",
}
odd = pytest.mark.parametrize("text", ODD.values(), ids=ODD)


@odd
def test_descriptions_and_configurations(tmp_path, text):
    for name in ("net.json", "config.json", "preprocessor_config.json"):
        (tmp_path / name).write_text(text)
    with pytest.raises(WeightsError):
        read_description(tmp_path / "net.json")
    if text[:1] == "{":
        for read in (read_config, read_preparation):
            with pytest.raises(WeightsError, match="file cannot be read: expected JSON"):
                read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 3000 + "]" * 3000,
        "a: 1\na: 2\n",
        "a: .nan\n",
        f"a: {'9' * 400}\n",
        "a: &a [1, *a]\n",
        "a0: &a0 [ha, ha]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n" for i in range(40)),
        "a: !!python/object/apply:os.system [id]\n",
        "? [a, b]\n: 1\n",
    ],
    ids=["nested", "twice", "no number", "large", "circle", "laughs", "code", "list as name"],
)
def test_packages_of_the_zoo(tmp_path, text):
    pytest.importorskip("yaml")
    (tmp_path / "rdf.yaml").write_text(text)
    with pytest.raises(WeightsError, match="expected YAML"):
        load_bioimage(tmp_path / "rdf.yaml")


def weights(path, **metadata):
    header = json.dumps({"__metadata__": metadata}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    return path


@odd
def test_settings_of_networks(tmp_path, text):
    path = tmp_path / "w.safetensors"
    kinds = {load_net: next(iter(NETWORKS.values())).architecture, load_vertices: next(iter(KINDS))}
    for load, kind in kinds.items():
        with pytest.raises(WeightsError, match="weights say a size that there is not"):
            load(weights(path, architecture=kind, settings=text))


@odd
@pytest.mark.parametrize("field", ["names", "apart", "layout"])
def test_metadata_of_semantic_networks(tmp_path, text, field):
    told = {"network": "enet", "width": "1", "names": '["a"]', "apart": "true", field: text}
    if text == "[]" or (field, text) == ("apart", "5"):
        text = told[field] = "{"
    with pytest.raises(WeightsError, match="weights are of another network"):
        read_semantic(weights(tmp_path / "w.safetensors", architecture=SEMANTIC, **told))


@odd
def test_traits(text):
    with pytest.raises(WeightsError, match="settings that there are not"):
        read_traits("a", {"traits": text})


def test_metadata_that_is_no_text_is_none(tmp_path):
    path = weights(tmp_path / "w.safetensors", architecture=5, card="a")
    assert read_metadata(path) == {"card": "a"}

"""Files of other frameworks, under the names that networks have here."""

import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_intseg.cli.main import main
from napari_intseg.errors import WeightsError
from napari_intseg.models.bundled import load_net
from napari_intseg.models.checkpoint import read_tensorflow
from napari_intseg.models.networks import NETWORKS, REVOLVER
from napari_intseg.models.weights.recognise import PADDLE, RULES, converted, read_paddle, renamed

SMALL = {"width": 4, "ocr_width": 4, "small": True}
EDGEFLOW = NETWORKS["edgeflow"]

# layers of paddleseg's ConvBNReLU in the published network
BLOCKS = (r"feature_extractor\.(warp[12]_conv|edge\.down\.[01]|edge_out\.0)\.",)


def paddles_name(name):
    for block in BLOCKS:
        name = re.sub(f"({block})0\\.", r"\1_conv.", name)
        name = re.sub(f"({block})1\\.", r"\1_batch_norm.", name)
    name = name.replace("running_mean", "_mean").replace("running_var", "_variance")
    return re.sub(r"(atrous\d\.[14]\.)weight", r"\1_weight", name)


def as_paddle(state):
    """The state of a network here as Paddle would write it."""
    out = {"StructuredToParameterName@@": {}}
    for name, value in state.items():
        if not name.endswith("num_batches_tracked"):
            out[paddles_name(name)] = value.numpy()
    # the published file holds layers that are not used
    out["finenet.final_predict.0.conv2.weight"] = np.zeros((32, 32, 3, 3), np.float32)
    out["finenet.final_predict.0.bn2._mean"] = np.zeros(32, np.float32)
    return out


@pytest.fixture
def published(tmp_path):
    torch.manual_seed(1)
    net = EDGEFLOW.build(SMALL).eval()
    path = tmp_path / "edgeflow.pdparams"
    path.write_bytes(pickle.dumps(as_paddle(net.state_dict()), protocol=2))
    return net, path


def test_edgeflow_comes_from_paddles_file_without_paddle(published):
    net, path = published
    state = converted(path, EDGEFLOW, SMALL)
    assert set(state) == set(net.state_dict())
    for name, value in net.state_dict().items():
        assert torch.equal(state[name], value), name


def test_the_command_makes_a_model_of_it(published, tmp_path, capsys):
    net, path = published
    words = ["weights", "convert", str(path), "--network", "edgeflow", "--name", "flow"]
    settings = ["--setting", "width=4", "--setting", "ocr_width=4", "--setting", "small=true"]
    assert main([*words, *settings, "--folder", str(tmp_path)]) == 0
    assert "unproven" in capsys.readouterr().out
    again = load_net(tmp_path / "flow.safetensors")
    image, prev = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    clicks = torch.tensor([[[30.0, 30, 1]]])
    with torch.no_grad():
        expected, found = net(image, clicks, prev), again(image, clicks, prev)
    np.testing.assert_allclose(found, expected, atol=0.05 * float(expected.abs().max()))


def test_a_file_of_another_size_or_network_is_refused(published):
    _, path = published
    with pytest.raises(WeightsError, match="another size"):
        converted(path, EDGEFLOW, {**SMALL, "width": 8})
    with pytest.raises(WeightsError, match="another network"):
        converted(path, NETWORKS["itis"], {"width": 8})


def test_caffes_fcn_leaves_the_channels_of_clicks_at_zero(tmp_path):
    settings = {"stride": 8, "width": 4, "hidden": 8}
    net = NETWORKS["dios-fcn8s"].build(settings)
    given = {
        name.removeprefix("encoder."): value + 1
        for name, value in net.state_dict().items()
        if not name.startswith("score")
    }
    given["conv1_1.weight"] = given["conv1_1.weight"][:, :3]
    given["fc6.weight"] = given["fc6.weight"].reshape(8, -1)  # fully connected, as VGG has it
    given["score_fr.weight"] = torch.zeros(21, 8, 1, 1)
    path = tmp_path / "fcn8s.pth"
    torch.save({"model_state_dict": given}, path)
    state = converted(path, NETWORKS["dios-fcn8s"], settings)
    first = state["encoder.conv1_1.weight"]
    assert torch.equal(first[:, :3], given["conv1_1.weight"])
    assert (first[:, 3:] == 0).all()
    assert torch.equal(state["fc6.weight"].flatten(1), given["fc6.weight"])
    assert state["score_fr.weight"].shape == (1, 8, 1, 1)


class Runs:
    def __reduce__(self):
        return (print, ("ran",))


def test_a_file_that_asks_for_more_than_arrays_is_refused(tmp_path, capsys):
    path = tmp_path / "bad.pdparams"
    path.write_bytes(pickle.dumps({"a": Runs()}))
    with pytest.raises(WeightsError, match=r"asks for builtins\.print"):
        read_paddle(path)
    assert capsys.readouterr().out == ""
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(WeightsError, match="arrays by name"):
        read_paddle(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match="Fetch the file again"):
        read_paddle(path)


KINDS = Path(__file__).resolve().parents[2] / "data" / "tensorflow" / "kinds.ckpt.index"
"""Written by TensorFlow 2.21 in two shards: numbers of many kinds, a text, a variable in parts."""


def test_tensorflows_file_is_read_without_tensorflow():
    found = read_tensorflow(KINDS)
    long = "long/" + "n" * 70
    expected = {
        "a/weights": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "a/half": np.arange(3, dtype=np.float16),
        "brain": np.array([1, 2.5, -3], np.float32),
        "count": np.int64(-7),
        f"{long}/none": np.zeros((0, 3), np.float32),
        f"{long}/double": np.array([1.5, 2.5]),
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        np.testing.assert_array_equal(found[name], value)


def test_a_damaged_file_of_tensorflow_is_refused(tmp_path):
    for path in KINDS.parent.glob("kinds.ckpt.*"):
        shutil.copy(path, tmp_path)
    index, shard = (tmp_path / f"kinds.ckpt.{n}" for n in ("index", "data-00000-of-00002"))
    content, whole = index.read_bytes(), shard.read_bytes()
    shard.write_bytes(whole[:20])
    with pytest.raises(WeightsError, match="does not fit its"):
        read_tensorflow(index)
    shard.unlink()
    with pytest.raises(WeightsError, match="data-00000-of-00002"):
        read_tensorflow(index)
    shard.write_bytes(whole)
    index.write_bytes(content[:-1])
    with pytest.raises(WeightsError, match="does not end as a table"):
        read_tensorflow(index)
    # any byte may be wrong: arrays come, or the one error
    refused = 0
    for at in range(len(content)):
        index.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            read_tensorflow(index)
        except WeightsError:
            refused += 1
    assert refused > 100


def varint(value):
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def block(*entries):
    """A part of a table: shared bytes of the name before, own ones, and a value."""
    content = b"".join(
        varint(shared) + varint(len(name)) + varint(len(value)) + name + value
        for shared, name, value in entries
    )
    return content + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("entries", "places", "told"),
    [
        ([(0, b"a", b"")], 1, None),
        ([(0, b"a", b"")], 2, "overlap"),
        ([(0, b"n" * 4000, b""), (4000, b"n" * 4000, b"")], 1, "a name does not fit"),
    ],
)
def test_names_of_tensorflow_take_no_more_time_than_they_have_bytes(
    tmp_path, entries, places, told
):
    names = block(*entries)
    place = varint(0) + varint(len(names))
    own = block(*[(0, bytes([number]), place) for number in range(places)])
    footer = (varint(0) * 2 + varint(len(names) + 5) + varint(len(own))).ljust(40, b"\0")
    path = tmp_path / "made.index"
    path.write_bytes(names + bytes(5) + own + bytes(5) + footer + KINDS.read_bytes()[-8:])
    if told is None:
        assert read_tensorflow(path) == {}
        return
    with pytest.raises(WeightsError, match=told):
        read_tensorflow(path)


def test_rules_are_applied_in_order_and_an_empty_name_leaves_out():
    assert renamed({"a._mean": 1, "b": 2}, (*PADDLE, ("^b$", ""))) == {"a.running_mean": 1}
    assert set(RULES) <= {*NETWORKS, REVOLVER.name}


STEM = "encoder.stem.weight"


@pytest.fixture
def pyramid(tmp_path):
    """What writes a state of the bundled network to a file, and runs the command on it."""
    net = NETWORKS["click-pyramid"]
    state = net.build(dict(net.settings)).state_dict()

    def run(change=lambda state: state, *words, name="mine"):
        torch.save(change(state), tmp_path / "crafted.pth")
        given = ["weights", "convert", str(tmp_path / "crafted.pth"), "--network", "click-pyramid"]
        return main([*given, "--name", name, "--folder", str(tmp_path / "models"), *words])

    return run


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            lambda weight: torch.full_like(weight, float("nan")),
            "expected finite numbers up to 65504",
        ),
        (lambda weight: torch.full_like(weight, 1e30), "expected finite numbers up to 65504"),
        (lambda weight: weight.to(torch.complex64), "expected real numbers"),
        (lambda weight: weight.to(torch.int8), "expected real numbers"),
        (lambda weight: weight.permute(3, 2, 1, 0).contiguous(), "weights are of another size"),
        (lambda _: "hello", "expected a tensor of numbers"),
        (lambda _: {"a": 1}, "expected a tensor of numbers"),
        (lambda _: None, "expected a tensor of numbers"),
        (lambda _: [[1, 2], [3]], "expected a tensor of numbers"),
    ],
)
def test_a_crafted_weight_is_refused_in_one_line(pyramid, tmp_path, capsys, value, told):
    assert pyramid(lambda state: {**state, STEM: value(state[STEM])}) == 2
    error = capsys.readouterr().err
    assert told in error
    assert STEM in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: {**state, 7: state[STEM]}, "unknown 7"),
        (lambda state: {**state, "../../etc/passwd": state[STEM]}, "unknown ../../etc/passwd"),
        (lambda state: {"model": {"a": {"b": state}}}, "unknown a"),
        (lambda _: [1, 2, 3], "expected arrays by name, got list"),
        (lambda state: state[STEM], "expected arrays by name, got Tensor"),
    ],
)
def test_a_crafted_state_is_refused_in_one_line(pyramid, tmp_path, capsys, change, told):
    assert pyramid(change) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("name", ["", "..", "../evil", "/evil", "a\nb", "a\0b", "x" * 101])
def test_a_name_that_is_no_file_name_is_refused(pyramid, tmp_path, capsys, name):
    assert pyramid(name=name) == 2
    assert "name cannot be used: expected letters, digits" in capsys.readouterr().err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["crafted.pth"]


def test_no_model_is_replaced_unasked(pyramid, tmp_path, capsys):
    assert pyramid(name="bundled") == 2
    assert "name is taken" in capsys.readouterr().err
    kept = tmp_path / "models" / "mine.safetensors"
    kept.parent.mkdir()
    kept.write_bytes(b"mine")
    assert pyramid() == 2
    assert "file exists: expected a new name" in capsys.readouterr().err
    assert kept.read_bytes() == b"mine"
    assert pyramid(lambda state: state, "--overwrite") == 0
    assert kept.read_bytes() != b"mine"


@pytest.mark.parametrize("setting", ["width=-3", "nonsense=1", "width=NaN", "width=text"])
def test_a_setting_that_does_not_fit_is_told_in_one_line(published, tmp_path, capsys, setting):
    words = ["--network", "edgeflow", "--name", "mine", "--folder", str(tmp_path / "models")]
    assert main(["weights", "convert", str(published[1]), *words, "--setting", setting]) == 2
    error = capsys.readouterr().err
    assert "network cannot be built: expected settings like" in error
    assert len(error.splitlines()) == 1

"""Networks of the papers pass through the same training, and become models."""

import json
from itertools import count

import pytest
import torch

from napari_intseg.cli.main import main
from napari_intseg.errors import DataError, WeightsError
from napari_intseg.models import networks as semantic
from napari_intseg.models.bundled import load_net
from napari_intseg.models.nets.earlier_nets import ItisNet
from napari_intseg.models.networks import NETWORKS
from napari_intseg.models.weights.locate import FOLDERS_VARIABLE
from napari_intseg.training.loop import train, write_weights
from napari_intseg.training.options import FROM_IMAGENET_RATE, TrainOptions


@pytest.fixture
def options(make_folder, tmp_path):
    number = count()

    def make(**changed):
        given = {
            "folders": ((make_folder(f"d{next(number)}", count=3), 1.0),),
            "name": "mine", "start": "nothing",
            "steps": 2, "batch": 2, "sizes": (64,), "passes": 1, "workers": 0, "threads": 1,
            "held_out": 0.0, "device": "cpu", "network": "fctsfn", "objects": 2,
        }  # fmt: skip
        return TrainOptions(output=tmp_path / f"run{next(number)}", **(given | changed))

    return make


def test_two_steps_change_the_weights_and_the_file_is_read_again(options):
    given = options()
    assert given.full_rate == FROM_IMAGENET_RATE
    trained = train(given)
    net = load_net(trained.weights)
    assert net.settings == dict(NETWORKS["fctsfn"].settings)
    torch.manual_seed(given.seed)
    begun = NETWORKS["fctsfn"].build().state_dict()
    moved = [n for n, v in net.state_dict().items() if not torch.equal(v.half(), begun[n].half())]
    assert any(name.startswith("encoder.") for name in moved)
    assert any(name.startswith("interaction.") for name in moved)


def test_a_run_may_begin_with_weights_of_its_network_and_no_other(options, tmp_path):
    path = write_weights(
        tmp_path / "itis.safetensors", ItisNet(width=8).state_dict(), architecture="itis-1",
        settings={"width": 8},
    )  # fmt: skip
    with pytest.raises(WeightsError, match="begin with `nothing`"):
        train(options(start=str(path)))
    assert train(options(start=str(path), network="itis")).step == 2
    with pytest.raises(DataError, match="Begin with nothing"):
        options(start="bundled")


def test_the_shell_trains_one_and_lists_them(make_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path / "models"))
    words = ["train", str(make_folder(count=3)), "--output", str(tmp_path / "run"), "--network",
             "dios-fcn16s", "--name", "my-dios", "--keep-in", str(tmp_path / "models"), "--steps",
             "1", "--batch", "1", "--size", "64", "--passes", "1", "--workers", "0", "--threads",
             "1", "--held-out", "0", "--quiet"]  # fmt: skip
    assert main(words) == 0
    capsys.readouterr()
    assert main(["models", "--networks", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [*NETWORKS, *semantic.SEMANTIC_NETWORKS, "revolver"]
    assert main(["models", "--json"]) == 0
    assert "my-dios" in {row["name"] for row in json.loads(capsys.readouterr().out)}
    assert main(["models", "--networks"]) == 0
    assert "unproven" in capsys.readouterr().out

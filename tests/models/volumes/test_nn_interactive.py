# ruff: noqa: ARG002 - stand-ins have the arguments of the packages, used or not
"""nnInteractive's sessions as models: what they are given, and that nothing of before remains.

The sessions here are stand-ins with the packages' own signatures, and an untrained network that the
package builds itself where it is installed (the extra ``nninteractive``). The published weights are
not part of any test.
"""

import inspect
import json
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_intseg.core.prompts import Box, Click, Prompts, Scribble
from napari_intseg.core.segmenter import Query, Traits
from napari_intseg.core.volume import Plane, Volume
from napari_intseg.core.volume_segmenter import (
    VolumeBox,
    VolumeClick,
    VolumeLasso,
    VolumeMask,
    VolumeQuery,
    VolumeScribble,
    VolumeSegmenter,
    VolumeSource,
)
from napari_intseg.errors import DataError, MissingExtraError, RemoteError, WeightsError
from napari_intseg.models.registry import find_model, licence_lines, load_model
from napari_intseg.models.volumes import nn_interactive
from napari_intseg.models.volumes.nn_interactive import PROMPTS, NnInteractive
from napari_intseg.session.session import Session
from napari_intseg.testing import VolumeSegmenterContract

SHAPE = (10, 20, 24)


class StandIn:
    """A session as the package has it: balls round points, boxes, lines and areas, in order."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self._before: np.ndarray | None = None

    def set_image(self, image: np.ndarray, image_properties: dict[str, Any] | None = None) -> None:
        assert image.ndim == 4
        assert image.shape[0] == 1
        self.image = image
        self.told.append("image")

    def set_target_buffer(self, target_buffer: np.ndarray) -> None:
        self.target_buffer = target_buffer

    def reset_interactions(self) -> None:
        self.told.append("reset")
        self.target_buffer[:] = 0
        self._before = None

    def undo(self) -> bool:
        if self._before is None:
            return False
        self.told.append("undo")
        self.target_buffer[:] = self._before
        self._before = None
        return True

    def add_point_interaction(
        self,
        coordinates: tuple[int, ...],
        include_interaction: bool,
        run_prediction: bool = True,
        override_capability_checks: bool = False,
    ) -> None:
        at = np.indices(self.target_buffer.shape)
        near = sum((a - c) ** 2 for a, c in zip(at, coordinates, strict=True)) <= 9
        self._put(("point", coordinates, include_interaction), near, include_interaction)

    def add_bbox_interaction(
        self,
        bbox_coords: Any,
        include_interaction: bool,
        run_prediction: bool = True,
        override_capability_checks: bool = False,
    ) -> None:
        area = np.zeros(self.target_buffer.shape, bool)
        area[tuple(slice(*span) for span in bbox_coords)] = True
        self._put(("box", bbox_coords, include_interaction), area, include_interaction)

    def add_scribble_interaction(
        self,
        scribble_image: np.ndarray,
        include_interaction: bool,
        run_prediction: bool = True,
        override_capability_checks: bool = False,
        interaction_bbox: Any = None,
    ) -> None:
        self._draw("scribble", scribble_image, include_interaction, interaction_bbox)

    def add_lasso_interaction(
        self,
        lasso_image: np.ndarray,
        include_interaction: bool,
        run_prediction: bool = True,
        override_capability_checks: bool = False,
        interaction_bbox: Any = None,
    ) -> None:
        self._draw("lasso", lasso_image, include_interaction, interaction_bbox)

    def add_initial_seg_interaction(
        self,
        initial_seg: np.ndarray,
        run_prediction: bool = False,
        override_capability_checks: bool = False,
    ) -> None:
        assert initial_seg.shape == self.target_buffer.shape
        self.told.append("initial")
        self.target_buffer[:] = initial_seg

    def _draw(self, what: str, image: np.ndarray, positive: bool, box: Any) -> None:
        assert list(image.shape) == [b - a for a, b in box]
        area = np.zeros(self.target_buffer.shape, bool)
        area[tuple(slice(*span) for span in box)] = image > 0
        self._put((what, int(image.sum()), positive), area, positive)

    def _put(self, told: Any, area: np.ndarray, positive: bool) -> None:
        self.told.append(told)
        self._before = self.target_buffer.copy()
        self.target_buffer[area] = positive


def grey(seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random(SHAPE, np.float32)
    return np.repeat(values[..., None], 3, axis=-1)


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
def model(stand_in: StandIn) -> NnInteractive:
    return NnInteractive(Traits("nninteractive", PROMPTS, uses_prev=True), stand_in)


def ask(model: NnInteractive, prepared: Any, *prompts: Any, **more: Any) -> np.ndarray:
    change = model.predict_volume(VolumeQuery(prepared, prompts, **more))
    assert change is not None
    out = np.zeros(SHAPE, bool)
    out[change.block] = change.logits > 0
    return out


ONE, TWO, THREE = (
    VolumeClick((5.0, 10.2, 8.0)), VolumeClick((4.0, 9.0, 15.0)), VolumeClick((5, 10, 9), False)
)  # fmt: skip


class TestContract(VolumeSegmenterContract):
    shape = SHAPE

    def make(self) -> NnInteractive:
        return NnInteractive(Traits("nninteractive", PROMPTS, uses_prev=True), StandIn())


def test_it_fulfils_the_contract(model: NnInteractive) -> None:
    assert isinstance(model, VolumeSegmenter)
    assert not model.answers_planes


def test_each_kind_of_prompt_is_given_as_the_package_wants_it(
    model: NnInteractive, stand_in: StandIn
) -> None:
    prepared = model.prepare_volume(VolumeSource.of(grey()))
    ask(
        model,
        prepared,
        ONE,
        THREE,
        VolumeBox((3, 4, 5), (3, 9, 10)),
        VolumeScribble(((2, 3, 3), (2, 3, 8)), positive=False),
        VolumeLasso(Plane(0, 7), ((2, 2), (2, 6), (6, 6), (6, 2))),
    )
    assert stand_in.told == [
        "image",
        "reset",
        ("point", (5, 10, 8), True),
        ("point", (5, 10, 9), False),
        ("box", [[3, 4], [4, 10], [5, 11]], True),
        ("scribble", 6, False),
        ("lasso", 25, True),
    ]


def test_a_lasso_on_another_axis_lies_there(model: NnInteractive) -> None:
    prepared = model.prepare_volume(VolumeSource.of(grey()))
    found = ask(model, prepared, VolumeLasso(Plane(2, 4), ((2, 3), (2, 8), (7, 8), (7, 3))))
    assert found[2:8, 3:9, 4].all()
    assert found.sum() == 36


def test_prompts_that_were_given_are_not_given_again(
    model: NnInteractive, stand_in: StandIn
) -> None:
    prepared = model.prepare_volume(VolumeSource.of(grey()))
    ask(model, prepared, ONE)
    ask(model, prepared, ONE, TWO)
    assert [told[0] for told in stand_in.told[2:]] == ["point", "point"]


def test_the_last_prompt_is_taken_back_by_their_undo_and_others_by_giving_all_again(
    model: NnInteractive, stand_in: StandIn
) -> None:
    prepared = model.prepare_volume(VolumeSource.of(grey()))
    first, both = ask(model, prepared, ONE), ask(model, prepared, ONE, TWO)
    stand_in.told.clear()
    assert np.array_equal(ask(model, prepared, ONE), first)
    assert stand_in.told == ["undo"]
    assert np.array_equal(ask(model, prepared, ONE, TWO), both)
    stand_in.told.clear()
    only = ask(model, prepared, TWO)
    assert stand_in.told[0] == "reset"
    assert np.array_equal(only, ask(model, prepared, TWO))
    assert not only[5, 10, 6]


def test_an_undo_that_they_refuse_is_a_reset(model: NnInteractive, stand_in: StandIn) -> None:
    prepared = model.prepare_volume(VolumeSource.of(grey()))
    first = ask(model, prepared, ONE)
    ask(model, prepared, ONE, TWO)
    stand_in._before = None
    assert np.array_equal(ask(model, prepared, ONE), first)
    assert "reset" in stand_in.told[3:]


def test_an_answer_is_the_same_whatever_was_asked_before(model: NnInteractive) -> None:
    prepared, other = (model.prepare_volume(VolumeSource.of(grey(i))) for i in (0, 1))
    fresh = ask(NnInteractive(model.traits, StandIn()), prepared, ONE, THREE)
    for before in ((TWO,), (ONE,), (ONE, TWO), (ONE, TWO, THREE)):
        ask(model, prepared, *before)
        assert np.array_equal(ask(model, prepared, ONE, THREE), fresh)
    ask(model, other, TWO)
    assert np.array_equal(ask(model, prepared, ONE, THREE), fresh)


def test_it_begins_with_a_mask(model: NnInteractive, stand_in: StandIn) -> None:
    prepared = model.prepare_volume(VolumeSource.of(grey()))
    mask = VolumeMask((0, 0, 0), np.ones((2, 3, 4), bool))
    found = ask(model, prepared, ONE, initial=mask)
    assert found[:2, :3, :4].all()
    assert stand_in.told[1:3] == ["reset", "initial"]
    assert not ask(model, prepared, ONE)[0, 0, 0]


def test_it_is_cancelled_between_two_prompts(model: NnInteractive, stand_in: StandIn) -> None:
    prepared = model.prepare_volume(VolumeSource.of(grey()))
    answers = iter([False, True])
    query = VolumeQuery(prepared, (ONE, TWO), cancelled=lambda: next(answers))
    assert model.predict_volume(query) is None
    assert len(stand_in.told) == 3
    both = ask(model, prepared, ONE, TWO)
    assert len(stand_in.told) == 4  # the first counts
    assert both[4, 9, 15]


def test_what_fails_half_way_is_begun_anew(model: NnInteractive, stand_in: StandIn) -> None:
    prepared = model.prepare_volume(VolumeSource.of(grey()))
    ask(model, prepared, ONE)

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of memory")

    stand_in.add_bbox_interaction = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="memory"):
        ask(model, prepared, ONE, VolumeBox((3, 4, 5), (3, 9, 10)))
    stand_in.told.clear()
    ask(model, prepared, ONE)
    assert stand_in.told[0] == "reset"


def test_it_sees_stored_values_and_the_mean_of_colours(
    model: NnInteractive, stand_in: StandIn
) -> None:
    values = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    session = Session(model, Volume(values), window=(0.0, 10.0))
    session.click((5, 10, 8))
    assert np.array_equal(stand_in.image[0], values)
    rgb = (grey() * 255).astype(np.uint8)
    rgb[..., 2] = 0
    session = Session(model, Volume(rgb))
    session.click((5, 10, 8))
    assert np.allclose(stand_in.image[0], rgb.mean(axis=-1) / 255, atol=1e-5)


def test_a_slice_is_a_volume_of_one_plane(model: NnInteractive, stand_in: StandIn) -> None:
    prepared = model.prepare(grey()[0])
    prompts = Prompts((Click(10, 8), Click(-5, 8)), Box(2, 2, 4, 4), (Scribble(((0, 0), (0, 3))),))
    mask = model.predict(Query(prepared, prompts)).logits > 0
    assert mask[10, 8]
    assert mask[3, 3]
    assert mask[0, :4].all()
    assert sum(told[0] == "point" for told in stand_in.told) == 1  # the other is not on the slice


def test_an_even_image_has_no_object(model: NnInteractive, stand_in: StandIn) -> None:
    prepared = model.prepare_volume(VolumeSource.of(np.zeros((*SHAPE, 3), np.float32)))
    assert not ask(model, prepared, ONE).any()
    assert stand_in.told == []


def test_a_volume_beyond_all_memory_is_refused_before_it_is_read(model: NnInteractive) -> None:
    huge = VolumeSource((2000, 2048, 2048), (1.0, 1.0, 1.0), lambda _: pytest.fail("it was read"))
    with pytest.raises(DataError, match="too large for nnInteractive"):
        model.prepare_volume(huge)


def test_a_session_of_ours_undoes_and_redoes_over_theirs(model: NnInteractive) -> None:
    session = Session(model, Volume((grey()[..., 0] * 255).astype(np.uint8)))
    session.click((5, 10, 8))
    first = session.mask
    session.click((4, 9, 15))
    both = session.mask
    session.undo()
    assert np.array_equal(session.mask, first)
    session.click((5, 10, 9), positive=False)  # theirs is brought to where ours is
    assert not session.mask[5, 10, 9]
    assert not session.mask[4, 9, 15]
    session.undo()
    session.click((4, 9, 15))
    assert np.array_equal(session.mask, both)


# where the packages come from


def test_a_package_that_is_not_there_is_named_with_its_extra(monkeypatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(nn_interactive, "import_module", _missing)
    with pytest.raises(MissingExtraError, match=r"napari-intseg\[nninteractive\]"):
        nn_interactive.build_client("nninteractive-server", server="http://127.0.0.1:1")
    with pytest.raises(MissingExtraError, match=r"nninteractive"):
        nn_interactive.fetch(tmp_path, "nnInteractive_v1.0")


def _missing(name: str) -> Any:
    raise ImportError(name)


@pytest.mark.parametrize("server", ["", "127.0.0.1:1527", "ftp://here"])
def test_a_server_without_an_address_is_refused(server: str, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.delenv(nn_interactive.SERVER_VARIABLE, raising=False)
    with pytest.raises(RemoteError, match="server is not known"):
        nn_interactive.build_client("nninteractive-server", server=server)


def test_images_do_not_go_to_another_machine_unencrypted() -> None:
    with pytest.raises(RemoteError, match="not safe"):
        nn_interactive.build_client("nninteractive-server", server="http://far.example:1527")


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return print, ("ran",)

    file = tmp_path / "fold_0" / "checkpoint_final.pth"
    file.parent.mkdir()
    torch.save({"network_weights": {}, "logging": Evil()}, file)
    with pytest.raises(WeightsError, match="cannot be loaded safely"):
        nn_interactive.build("nninteractive", file)
    with pytest.raises(WeightsError, match="weights are missing"):
        nn_interactive.build("nninteractive", None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 3000 + "]" * 3000, "nested"),
        ('{"configurations": {"a": {"patch_size": [1000000000, 1, 1]}}}', "1000000000 is larger"),
        ('{"configurations": {"a": {"architecture": {"network_class_name": "os.system"}}}}',
         "asks to run 'os.system'"),
        ('{"configurations": {"a": {"architecture": {"_kw_requires_import": ["norm_op"], '
         '"arch_kwargs": {"norm_op": "antigravity"}}}}}', "asks to run 'antigravity'"),
        ('{"configurations": []}', "no attribute"),
    ],
)  # fmt: skip
def test_plans_that_ask_for_too_much_are_refused(tmp_path: Path, text: str, told: str) -> None:
    torch = pytest.importorskip("torch")
    file = tmp_path / "fold_0" / "checkpoint_final.pth"
    file.parent.mkdir()
    torch.save({"network_weights": {}}, file)
    (tmp_path / "plans.json").write_text(text)
    with pytest.raises(WeightsError, match=told):
        nn_interactive.build("nninteractive", file)


def test_the_licence_is_told_before_the_download() -> None:
    lines = licence_lines("nninteractive")
    assert lines[0] == "licence of the weights: CC-BY-NC-SA-4.0 [not commercial]"
    assert any("unproven" in line for line in lines)
    assert find_model("nninteractive").extra == "nninteractive"


def test_weights_are_fetched_by_the_authors_code_and_found_where_it_keeps_them(
    monkeypatch, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    from napari_intseg.models.weights.locate import fetch
    from napari_intseg.models.weights.store import find_file

    asked: list[tuple[str, Path]] = []

    class Package:
        @staticmethod
        def ensure_model_available(model_id: str, model_root: Path) -> Path:
            asked.append((model_id, model_root))
            folder = model_root / "models" / model_id
            (folder / "fold_0").mkdir(parents=True)
            (folder / "fold_0" / "checkpoint_final.pth").write_bytes(b"weights")
            return folder

    monkeypatch.setattr(nn_interactive, "import_module", lambda _: Package)
    stored = fetch("nninteractive", folder=tmp_path)
    assert stored is not None
    assert asked == [("nnInteractive_v1.0", tmp_path)]
    assert stored.path.read_bytes() == b"weights"
    assert find_file("nninteractive", (tmp_path,)) == stored.path
    monkeypatch.setenv("NNINTERACTIVE_MODEL_DIR", str(tmp_path))
    assert find_file("nninteractive", ()) == stored.path


# with the packages themselves


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of nnInteractive with a small untrained network, built by its own code."""
    pytest.importorskip("nnunetv2", reason="the extra nninteractive is not installed")
    pytest.importorskip(
        "nnInteractive.inference.inference_session", reason="the extra nninteractive is not there"
    )
    import torch
    from nnInteractive.trainer.nnInteractiveTrainer import nnInteractiveTrainer_stub
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    stages, kind = 3, "dynamic_network_architectures.architectures.unet"
    architecture = {
        "network_class_name": f"{kind}.ResidualEncoderUNet",
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": [4, 8, 8],
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[3, 3, 3]] * stages,
            "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
            "n_blocks_per_stage": [1] * stages,
            "n_conv_per_stage_decoder": [1] * (stages - 1),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
    plans = {
        "dataset_name": "Dataset001_small",
        "plans_name": "small",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "label_manager": "LabelManager",
        "experiment_planner_used": "ExperimentPlanner",
        "configurations": {
            "3d_fullres": {
                "data_identifier": "small",
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": 1,
                "patch_size": [16, 16, 16],
                "spacing": [1.0, 1.0, 1.0],
                "normalization_schemes": ["ZScoreNormalization"],
                "use_mask_for_norm": [False],
                "architecture": architecture,
                "batch_dice": False,
            }
        },
    }
    dataset = {"channel_names": {"0": "any"}, "labels": {"background": 0, "object": 1}}
    capability = {"point_radius": 2, "inference_class": "nnInteractiveInferenceSession"}
    place = tmp_path_factory.mktemp("nninteractive") / "small"
    (place / "fold_0").mkdir(parents=True)
    texts = {"plans": plans, "dataset": dataset, "inference_info": capability}
    for name, text in texts.items():
        (place / f"{name}.json").write_text(json.dumps(text), "utf-8")
    (place / "LICENSE").write_text("none: untrained\n", "utf-8")
    manager = PlansManager(plans)
    torch.manual_seed(0)
    network = nnInteractiveTrainer_stub.build_network_architecture(
        manager, manager.get_configuration("3d_fullres"), 1 + 7, 2, enable_deep_supervision=False
    )
    checkpoint = {
        "network_weights": network.state_dict(),
        "trainer_name": "nnInteractiveTrainer_stub",
        "init_args": {"configuration": "3d_fullres"},
        "logging": {"losses": [np.float64(0.5)]},  # as nnU-Net writes it
    }
    torch.save(checkpoint, place / "fold_0" / "checkpoint_final.pth")
    return place


def test_stand_ins_take_what_the_packages_take() -> None:
    session = pytest.importorskip(
        "nnInteractive.inference.inference_session", reason="the extra nninteractive is not there"
    )
    remote = pytest.importorskip(
        "nnInteractive.inference.remote.remote_session", reason="nor its client"
    )
    for theirs in (
        session.nnInteractiveInferenceSession, remote.nnInteractiveRemoteInferenceSession
    ):  # fmt: skip
        for name, ours in inspect.getmembers(StandIn, inspect.isfunction):
            if not name.startswith("_"):
                known = list(inspect.signature(getattr(theirs, name)).parameters)
                wanted = list(inspect.signature(ours).parameters)
                assert known[: len(wanted)] == wanted or name == "reset_interactions", name


def test_a_network_of_the_package_answers_clicks(folder: Path) -> None:
    weights = folder / "fold_0" / "checkpoint_final.pth"
    model = load_model("nninteractive", weights=weights, device="cpu", autozoom=False)
    rng = np.random.default_rng(0)
    session = Session(model, Volume((rng.random((20, 24, 28)) * 255).astype(np.uint8)))
    session.click((10, 12, 14))
    first = session.mask
    session.click((6, 8, 20), positive=False)
    second = session.mask
    assert first.any()
    assert not np.array_equal(first, second)
    session.undo()
    assert np.array_equal(session.mask, first)
    fresh = Session(
        load_model("nninteractive", weights=weights, device="cpu", autozoom=False), session.volume
    )
    fresh.click((10, 12, 14))
    fresh.click((6, 8, 20), positive=False)
    assert np.array_equal(fresh.mask, second)


def test_a_server_on_this_machine_answers_as_the_package_in_process(folder: Path) -> None:
    uvicorn = pytest.importorskip("uvicorn", reason="the extra nninteractive is not there")
    app = pytest.importorskip("nnInteractive.inference.server.app", reason="nor its server")
    torch = pytest.importorskip("torch")
    from nnInteractive.inference.inference_session import nnInteractiveInferenceSession as Theirs

    weights = folder / "fold_0" / "checkpoint_final.pth"
    loader = Theirs(device=torch.device("cpu"), torch_n_threads=1)
    artifacts = loader._load_model_artifacts_from_disk(str(folder), 0, weights.name)
    made = app.make_app(
        artifacts, torch.device("cpu"), max_sessions=2, torch_n_threads=1, do_autozoom=False
    )
    server = uvicorn.Server(uvicorn.Config(made, log_level="error"))
    listening = socket.create_server(("127.0.0.1", 0))  # who comes early waits in its queue
    port = listening.getsockname()[1]
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        model = load_model("nninteractive-server", server=f"http://127.0.0.1:{port}")
        local = load_model("nninteractive", weights=weights, device="cpu", autozoom=False)
        rng = np.random.default_rng(0)
        volume = Volume((rng.random((20, 24, 28)) * 255).astype(np.uint8))
        both = [Session(one, volume) for one in (model, local)]
        for session in both:
            session.click((10, 12, 14))
            session.click((6, 8, 20), positive=False)
        assert both[0].mask.any()
        assert np.array_equal(both[0].mask, both[1].mask)
        for session in both:
            session.remove_click(1)
        assert np.array_equal(both[0].mask, both[1].mask)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()

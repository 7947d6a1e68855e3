"""Modules that moved: their old names stay importable for a release, with a warning.

A module that moves is one row of `MODULES`, and a name that changed on the way one row of `NAMES`.
Rows are looked at when somebody imports an old name; nothing is loaded before.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

ROOT = "napari_intseg"

MODULES = {
    "cli.batch_points": "cli.batch_table",
    "cli.batch_summary": "cli.batch_run",
    "cli.demo_cases": "cli.demo",
    "cli.dicom_options": "cli.shared_options",
    "cli.option_values": "cli.shared_options",
    "cli.outputs": "cli.output_forms",
    "cli.start_set": "cli.start",
    "cli.view_options": "cli.shared_options",
    "core.addresses": "core.workers",
    "core.lazy": "io.raster",
    "core.level_set": "core.contour_evolution",
    "core.memory_limits": "core.segmenter",
    "core.process_pool": "core.workers",
    "core.saving": "core.segmenter",
    "core.settings": "core.segmenter",
    "core.taking": "core.segmenter",
    "evaluation.agreement": "evaluation.metrics",
    "evaluation.curves": "evaluation.report",
    "evaluation.export": "evaluation.summary",
    "evaluation.jobs": "evaluation.benchmark",
    "evaluation.layouts": "evaluation.datasets",
    "evaluation.live": "evaluation.summary",
    "evaluation.opening": "evaluation.robot",
    "evaluation.palettes": "evaluation.mask_codes",
    "evaluation.pictures": "evaluation.report",
    "evaluation.run_lengths": "evaluation.mask_codes",
    "evaluation.volumes": "evaluation.run",
    "inference.adapted": "inference.slice_appearance",
    "inference.adapted_window": "inference.slice_appearance",
    "inference.cutout": "inference.soft_edge",
    "inference.flip": "inference.view",
    "inference.level_set": "inference.level_set_outline",
    "inference.noise": "inference.slice_appearance",
    "inference.obedience": "inference.obey_clicks",
    "inference.pyramid": "inference.slice_reader",
    "inference.reading": "inference.slice_reader",
    "inference.refine": "inference.graph_cut",
    "inference.resize": "inference.view",
    "inference.seeing": "inference.slice_appearance",
    "inference.squeezed": "inference.patch",
    "io.apart": "io.output_files",
    "io.arrays": "io.raster",
    "io.beside": "io.output_files",
    "io.checks": "io.file_checks",
    "io.child": "io.child_process",
    "io.child_open": "io.child_process",
    "io.child_reader": "io.child_process",
    "io.chunks": "io.raster",
    "io.coco": "io.annotations",
    "io.contours": "io.annotations",
    "io.detached": "io.file_checks",
    "io.dicom": "io.dicom.series_reader",
    "io.dicom.elements": "io.dicom.decoder",
    "io.dicom.inflate": "io.dicom.decoder",
    "io.dicom.layout": "io.dicom.header",
    "io.dicom.lazy": "io.dicom.series_reader",
    "io.dicom.origin": "io.dicom.header",
    "io.dicom.seg_read": "io.dicom.seg",
    "io.dicom.seg_write": "io.dicom.seg",
    "io.dicom.stored_values": "io.dicom.pixels",
    "io.dicom_decoder": "io.dicom.decoder",
    "io.dicom_elements": "io.dicom.decoder",
    "io.dicom_frame": "io.dicom.pixels",
    "io.dicom_header": "io.dicom.header",
    "io.dicom_inflate": "io.dicom.decoder",
    "io.dicom_layout": "io.dicom.header",
    "io.dicom_lazy": "io.dicom.series_reader",
    "io.dicom_origin": "io.dicom.header",
    "io.dicom_pixels": "io.dicom.pixels",
    "io.dicom_reference": "io.dicom.reference",
    "io.dicom_resample": "io.dicom.stack",
    "io.dicom_seg": "io.dicom.seg",
    "io.dicom_seg_read": "io.dicom.seg",
    "io.dicom_sizes": "io.dicom.pixels",
    "io.dicom_stack": "io.dicom.stack",
    "io.dicom_syntax": "io.dicom.pixels",
    "io.dicom_table": "io.dicom.decoder",
    "io.dicom_values": "io.dicom.pixels",
    "io.dicom_windows": "io.dicom.decoder",
    "io.extra": "io.file_checks",
    "io.geojson": "io.annotations",
    "io.hdf5_check": "io.hdf5",
    "io.image_queue": "io.folder_queue",
    "io.layer_grid": "io.hooks",
    "io.mask_folder": "io.read",
    "io.measure": "io.measurements",
    "io.metaimage": "io.itk",
    "io.nifti_check": "io.nifti",
    "io.ome_zarr_write": "io.ome_zarr",
    "io.outlines": "io.annotations",
    "io.output_check": "io.output_files",
    "io.paths": "io.file_checks",
    "io.picture_check": "io.pictures",
    "io.pieces": "io.raster",
    "io.polygons": "io.annotations",
    "io.remarks": "io.suffixes",
    "io.reorient": "io.read",
    "io.rtstruct": "io.dicom.rtstruct",
    "io.sidecar_files": "io.output_files",
    "io.sizes": "io.file_checks",
    "io.space_units": "io.units",
    "io.tiff_check": "io.tiff",
    "io.tiff_scale": "io.tiff",
    "io.times": "io.file_checks",
    "io.unpack": "io.zarr_store",
    "models.automatic": "models.automatic.automatic",
    "models.automatic.answers": "models.automatic.automatic",
    "models.automatic.bioimage": "models.automatic.exported",
    "models.automatic.description": "models.automatic.exported_files",
    "models.automatic.everything": "models.automatic.click_and_cell_models",
    "models.automatic.families": "models.automatic.hub_models",
    "models.automatic.files": "models.automatic.hub_models",
    "models.automatic.findings": "models.automatic.start_model",
    "models.automatic.labels": "models.automatic.start_model",
    "models.automatic.model_files": "models.automatic.hub_models",
    "models.automatic.onnx_check": "models.automatic.exported_files",
    "models.automatic.packages": "models.automatic.click_and_cell_models",
    "models.automatic.preparation": "models.automatic.outputs",
    "models.automatic.semantic": "models.automatic.semantic_model",
    "models.automatic_answers": "models.automatic.automatic",
    "models.automatic_families": "models.automatic.hub_models",
    "models.automatic_files": "models.automatic.hub_models",
    "models.automatic_labels": "models.automatic.start_model",
    "models.brs": "models.brs.brs",
    "models.brs.fbrs": "models.brs.brs",
    "models.brs.injection_points": "models.brs.optimisation",
    "models.brs.objective": "models.brs.optimisation",
    "models.brs_objective": "models.brs.optimisation",
    "models.brs_places": "models.brs.optimisation",
    "models.catalogue": "models.weights.catalogue",
    "models.classical.seeds": "core.prompts",
    "models.deepgrabcut": "models.guided.deepgrabcut",
    "models.dextr": "models.guided.dextr",
    "models.efficient_sam": "models.sam.efficient_sam",
    "models.fbrs": "models.brs.brs",
    "models.fetch": "models.weights.locate",
    "models.focalclick_config": "models.focalclick",
    "models.focalclick_crop": "models.focalclick",
    "models.fold": "models.net_model",
    "models.grabcut": "models.classical.grabcut",
    "models.guidance": "models.image_input",
    "models.guided.crops": "models.image_input",
    "models.identity": "models.model_table",
    "models.iog": "models.guided.iog",
    "models.licences": "models.weights.catalogue",
    "models.memory_saving": "models.net_model",
    "models.mobile_sam": "models.sam.sam",
    "models.nets.bottleneck": "models.nets.resnet",
    "models.nets.curve_gcn": "models.vertex_predictors",
    "models.nets.delse_net": "models.nets.resnet_nets",
    "models.nets.dios_net": "models.nets.vgg_nets",
    "models.nets.disir_net": "models.nets.resnet_nets",
    "models.nets.efficient_sam": "models.sam.efficient_sam",
    "models.nets.efficient_vit": "models.sam.efficient_sam",
    "models.nets.fca_net": "models.fcanet",
    "models.nets.fcanet": "models.fcanet",
    "models.nets.fctsfn_net": "models.nets.vgg_nets",
    "models.nets.fine_net": "models.nets.edge_flow_net",
    "models.nets.focal_refiner": "models.nets.focal_click",
    "models.nets.forte": "models.forte",
    "models.nets.forte_net": "models.forte",
    "models.nets.iog_net": "models.guided.iog",
    "models.nets.itis_net": "models.nets.resnet_nets",
    "models.nets.lite0": "models.nets.click_pyramid",
    "models.nets.ocr": "models.nets.hrnet",
    "models.nets.plain_vit": "models.nets.simple_click",
    "models.nets.polygon_rnn": "models.vertex_predictors",
    "models.nets.prev_maps": "models.nets.click_maps",
    "models.nets.psp_resnet": "models.nets.resnet",
    "models.nets.ris_net": "models.nets.vgg_nets",
    "models.nets.segformer": "models.nets.focal_click",
    "models.nets.simpleclick": "models.nets.simple_click",
    "models.nets.taps": "models.nets.click_maps",
    "models.nets.vgg": "models.nets.vgg_nets",
    "models.nets.whole_net": "models.nets.click_net",
    "models.opencv": "models.image_input",
    "models.own": "models.weights.store",
    "models.pickles": "models.checkpoint",
    "models.random_walker": "models.classical.random_walker",
    "models.raw": "models.image_input",
    "models.recognise": "models.weights.recognise",
    "models.region_growing": "models.classical.region_growing",
    "models.ritm_config": "models.ritm",
    "models.runner": "models.net_model",
    "models.sam": "models.sam.sam",
    "models.sam.adapter": "models.sam.sam",
    "models.sam.mobile_sam": "models.sam.sam",
    "models.sam.sam2_memory": "models.sam.sam2",
    "models.sam.weight_files": "models.sam.mask_decoder",
    "models.sam2": "models.sam.sam2",
    "models.sam2_keys": "models.sam.keys",
    "models.sam2_memory": "models.sam.sam2",
    "models.sam_adapter": "models.sam.sam",
    "models.sam_attention": "models.sam.mask_decoder",
    "models.sam_decoder": "models.sam.mask_decoder",
    "models.sam_files": "models.sam.mask_decoder",
    "models.sam_frame": "models.sam.square_frame",
    "models.sam_hq": "models.sam.mask_decoder",
    "models.sam_keys": "models.sam.keys",
    "models.sam_memory": "models.sam.mask_decoder",
    "models.sam_sizes": "models.sam.sam",
    "models.saving": "models.net_model",
    "models.seeds": "core.prompts",
    "models.simpleclick": "models.ritm",
    "models.spec": "models.model_table",
    "models.store": "models.weights.store",
    "models.threads": "models.classical.random_walker",
    "models.weights": "models.weights.locate",
    "models.weights.convert": "models.weights.recognise",
    "models.weights.fetch": "models.weights.locate",
    "models.weights.user_trained": "models.weights.store",
    "propagation.blend": "propagation.stretch",
    "propagation.cleanup": "propagation.mask_cleanup",
    "propagation.distance": "propagation.ending",
    "propagation.frames": "propagation.time_step",
    "propagation.guide": "propagation.stretch_walker",
    "propagation.memory": "propagation.memory_follow",
    "propagation.moment": "propagation.time_step",
    "propagation.plan": "propagation.request",
    "propagation.worker": "propagation.stretch_walker",
    "remote.segmenter": "remote.remote_segmenter",
    "remote.serve": "remote.remote_segmenter",
    "remote.wire": "remote.actor",
    "session.ahead": "session.prefetch",
    "session.alike": "session.similar",
    "session.alternatives": "session.suggestions",
    "session.bits": "session.masks.plane_state",
    "session.both_ways": "session.compare.two_answers",
    "session.cache": "session.embeddings",
    "session.canvas": "session.masks.canvas",
    "session.cleaning": "session.session",
    "session.cleanup": "session.mask_edits",
    "session.click_chain": "session.suggestions",
    "session.codec": "session.journal.codec",
    "session.compare": "session.compare.two_answers",
    "session.compare.mirror_session": "session.compare.side_by_side",
    "session.desk": "session.session",
    "session.detail": "session.mask_edits",
    "session.finding": "session.similar",
    "session.follow": "session.compare.side_by_side",
    "session.following": "session.tracking",
    "session.giving": "session.session",
    "session.going_back": "session.session",
    "session.guided": "session.similar",
    "session.history": "session.document",
    "session.journal": "session.journal.recorder",
    "session.journal.bundle": "session.journal.ro_crate",
    "session.journal.disk": "session.journal.file",
    "session.journal.image_signature": "session.journal.file",
    "session.journal.reader": "session.journal.recorder",
    "session.journal.replay": "session.journal.replayer",
    "session.journal.workload": "session.journal.work_time",
    "session.journal_disk": "session.journal.file",
    "session.journal_file": "session.journal.file",
    "session.journal_read": "session.journal.recorder",
    "session.masks.detail": "session.masks.settle",
    "session.masks.divide": "session.merge_split",
    "session.masks.joint": "session.masks.settle",
    "session.masks.packed": "session.masks.plane_state",
    "session.masks.smooth_outline": "session.masks.settle",
    "session.memory": "session.predictor",
    "session.objects": "session.session",
    "session.packing": "session.masks.plane_state",
    "session.painting": "session.session",
    "session.positions": "session.validate_prompts",
    "session.propagating": "session.propagator",
    "session.protection": "session.masks.settle",
    "session.regroup": "session.merge_split",
    "session.replay": "session.journal.replayer",
    "session.request": "session.predictor",
    "session.seen": "session.journal.recorder",
    "session.setup": "session.question",
    "session.side_by_side": "session.compare.side_by_side",
    "session.signature": "session.journal.file",
    "session.state": "session.masks.plane_state",
    "session.strokes": "session.masks.canvas",
    "session.taking": "session.masks.plane_state",
    "session.views": "session.session",
    "session.writing": "session.masks.settle",
    "training.augment": "training.views",
    "training.batches": "training.views",
    "training.checkpoint": "training.run_state",
    "training.class_maps": "training.semantic",
    "training.clicks": "training.step",
    "training.export": "training.loop",
    "training.extra": "training.sources",
    "training.log": "training.loop",
    "training.loss": "training.step",
    "training.noisy_copies": "training.synthetic",
    "training.parallel": "training.run_state",
    "training.sensor": "training.synthetic",
    "training.validate": "training.loop",
    "ui.binder": "ui.controllers.image_controller",
    "ui.controllers.display_window": "ui.controllers.viewer_controller",
    "ui.controllers.object_facts": "ui.controllers.object_actions",
    "ui.controllers.show_object": "ui.controllers.object_actions",
    "ui.controllers.stray_parts": "ui.controllers.prediction_queue",
    "ui.exporting": "ui.controllers.label_export",
    "ui.layers.factory": "ui.layers.layer_placement",
    "ui.loading": "ui.controllers.model_loader",
    "ui.panels.form": "ui.panels.buttons",
    "ui.panels.keep_panel": "ui.panels.export_panel",
    "ui.panels.length": "ui.panels.buttons",
    "ui.panels.notices": "ui.panels.buttons",
    "ui.panels.preview": "ui.panels.image_panel",
    "ui.qt.log_messages": "ui.qt.signals",
    "ui.series_chooser": "ui.qt.open_scan",
    "ui.workbench": "ui.controllers.viewer_controller",
}
"""Old module to new one. An old name may be a package by now: its `__init__` then says
``__getattr__ = old_names(__name__)``."""

NAMES = {
    "cli.dicom_options.add_arguments": "add_dicom",
    "cli.option_values.HELP": "BOX_HELP",
    "cli.view_options.add_arguments": "add_viewing",
    "evaluation.layouts.Pair": "ImageMaskPair",
    "evaluation.opening.Opening": "StartPrompts",
    "inference.seeing.Seeing": "SliceAppearance",
    "inference.seeing.Seen": "AppliedAppearance",
    "inference.squeezed.Squeezed": "CompactAnswer",
    "io.contours.Ring": "RingArray",
    "io.dicom_decoder.Decoder": "DecoderProcess",
    "io.dicom_header.Frame": "DicomFrame",
    "io.dicom_layout.Layout": "FrameLayout",
    "io.dicom_windows.Window": "RealWindow",
    "models.automatic.everything.load": "load_everything",
    "models.automatic_answers.Found": "RawFinding",
    "models.automatic_answers.Frame": "ImageSizes",
    "models.brs.fbrs.Mode": "FbrsMode",
    "models.brs.fbrs.build": "build_fbrs",
    "models.brs_objective.Found": "SearchResult",
    "models.brs_objective.Search": "SearchSettings",
    "models.brs_places.Place": "InjectionPoint",
    "models.efficient_sam.Block": "DecoderBlock",
    "models.fbrs.Mode": "FbrsMode",
    "models.fbrs.build": "build_fbrs",
    "models.guidance.answer": "answer_of",
    "models.guided.crops.answer": "answer_of",
    "models.nets.efficient_sam.Attention": "TokenAttention",
    "models.nets.efficient_sam.Block": "TokenBlock",
    "models.nets.efficient_sam.Mlp": "TokenMlp",
    "models.nets.efficient_sam.PatchEmbed": "TokenEmbed",
    "models.nets.fcanet.Decoder": "FcaDecoder",
    "models.nets.forte.Decoder": "ForteDecoder",
    "models.nets.forte.Encoder": "ForteEncoder",
    "models.sam2_memory.Memory": "TrackerMemory",
    "models.sam2_memory.Seen": "EncodedPlane",
    "models.sam_decoder.Encoder": "ImageEncoder",
    "models.sam_frame.Frame": "SquareFrame",
    "models.simpleclick.build": "build_simpleclick",
    "models.weights.Found": "LocatedWeights",
    "propagation.moment.Moment": "TimePointFinder",
    "propagation.worker.Worker": "StretchWalker",
    "session.ahead.Ahead": "PrepareRequest",
    "session.alike.Search": "SearchRequest",
    "session.alike.Sought": "SearchStep",
    "session.cleaning.Cleaning": "Session",
    "session.click_chain.TITLE": "SUGGESTED_TITLE",
    "session.compare.Moment": "CurvePoint",
    "session.compare.Spot": "SuggestedClick",
    "session.compare.moment": "curve_point",
    "session.desk.Desk": "Session",
    "session.detail.TITLE": "DETAIL_TITLE",
    "session.follow.Follower": "MirrorSession",
    "session.following.Follow": "SliceTracking",
    "session.following.FollowVolume": "VolumeTracking",
    "session.following.follow_request": "tracking_request",
    "session.giving.Giving": "Session",
    "session.going_back.GoingBack": "Session",
    "session.memory.Memory": "AnswerCache",
    "session.objects.Objects": "Session",
    "session.painting.Painting": "Session",
    "session.propagating.Propagating": "Propagator",
    "session.setup.Once": "LazyValue",
    "session.views.Views": "Session",
    "ui.binder.Binder": "ImageController",
    "ui.workbench.Workbench": "ViewerController",
}
"""Names that changed when their module moved: old module and name to new name."""


class OldModules(MetaPathFinder, Loader):
    """Finds modules by their old names."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load a module that moved; None for all others."""
        moved = fullname.removeprefix(f"{ROOT}.") in MODULES
        return ModuleSpec(fullname, self) if moved else None

    def exec_module(self, module: ModuleType) -> None:
        """Have a module give what its new one holds."""
        old = module.__name__.removeprefix(f"{ROOT}.")
        _warn(f"{ROOT}.{old} is now {ROOT}.{MODULES[old]}.")
        vars(module)["__getattr__"] = _look_up(old, import_module(f"{ROOT}.{MODULES[old]}"))


def install() -> None:
    """Have old modules found, after all that are there."""
    if not any(isinstance(finder, OldModules) for finder in sys.meta_path):
        sys.meta_path.append(OldModules())


def old_names(package: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package that has the name of a module which moved."""
    old = package.removeprefix(f"{ROOT}.")

    def get(name: str) -> Any:
        if name.startswith("__") or find_spec(f"{package}.{name}") is not None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = _look_up(old, import_module(f"{ROOT}.{MODULES[old]}"))(name)
        _warn(f"{name} of {package} is now in {ROOT}.{MODULES[old]}.")
        return found

    return get


def _look_up(old: str, new: ModuleType) -> Callable[[str], Any]:
    def get(name: str) -> Any:
        try:
            return getattr(new, NAMES.get(f"{old}.{name}", name))
        except AttributeError:
            raise AttributeError(f"module '{ROOT}.{old}' has no attribute {name!r}") from None

    return get


def _warn(what: str) -> None:
    told = f"{what} The old name goes with the next release."
    warnings.warn(told, DeprecationWarning, stacklevel=3)


def renamed(new: str) -> Any:
    """Return a property that gives an attribute by its old name, with a warning.

    Parameters
    ----------
    new : str
        The attribute's name now.
    """

    def get(self: Any) -> Any:
        _warn(f"This attribute of {type(self).__name__} is now called {new}.")
        return getattr(self, new)

    return property(get, doc=f"`{new}` by its old name, for a release.")

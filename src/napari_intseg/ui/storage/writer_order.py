"""The order in which napari offers writers: those that keep the geometry come before its own."""

import npe2

PLUGIN = "napari-intseg"
_NAPARI = "napari"


def put_writers_first() -> None:
    """Have the Save dialogs open on our writers, so that ``x.nii.gz`` is saved as it is named.

    They open on the writer that was found first, napari's own, which refuses endings that it does
    not know. napari's writers are found last afterwards; ours hand them what they do not write.
    """
    manager = npe2.PluginManager.instance()
    found = [writer.plugin_name for writer in manager.iter_compatible_writers(["labels"])]
    if PLUGIN not in found or _NAPARI not in found[: found.index(PLUGIN)]:
        return
    # enabling it again puts it last; nobody else needs to hear of it
    with manager.events.enablement_changed.blocked():
        manager.disable(_NAPARI)
        manager.enable(_NAPARI)

"""Old module names work for a release, with a warning, and load nothing before they are used."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

from napari_intseg._moved import MODULES, NAMES, ROOT

PACKAGES = {
    old for old in MODULES if (spec := find_spec(f"{ROOT}.{old}")) and spec.parent == spec.name
}
"""Old names that are those of packages now."""


def fresh(old):
    """Forget that an old module was imported, so that importing it warns again."""
    sys.modules.pop(f"{ROOT}.{old}", None)


@pytest.mark.parametrize("old", sorted(set(MODULES) - PACKAGES))
def test_an_old_module_gives_what_the_new_one_holds(old):
    new = import_module(f"{ROOT}.{MODULES[old]}")
    public = [
        name for name in vars(new) if not name.startswith("_") and f"{old}.{name}" not in NAMES
    ]
    assert public
    fresh(old)
    with pytest.warns(DeprecationWarning, match=rf"{old} is now {ROOT}\.{MODULES[old]}"):
        module = import_module(f"{ROOT}.{old}")
    assert all(getattr(module, name) is getattr(new, name) for name in public)
    with pytest.raises(AttributeError, match=f"'{ROOT}.{old}' has no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.parametrize("old", sorted(PACKAGES))
def test_a_package_with_an_old_name_gives_what_the_new_module_holds(old):
    new, package = import_module(f"{ROOT}.{MODULES[old]}"), import_module(f"{ROOT}.{old}")
    for name in vars(new):
        # a module of the package stands for itself, and a renamed thing is found by its old name
        is_module = find_spec(f"{ROOT}.{old}.{name}") is not None
        if name.startswith("_") or is_module or f"{old}.{name}" in NAMES:
            continue
        with pytest.warns(
            DeprecationWarning, match=f"{name} of .* is now in {ROOT}.{MODULES[old]}"
        ):
            assert getattr(package, name) is getattr(new, name)
    with pytest.raises(AttributeError, match=f"'{ROOT}.{old}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018


@pytest.mark.parametrize("old", sorted(NAMES))
def test_a_name_that_changed_is_found_by_its_old_name(old):
    module, name = old.rsplit(".", 1)
    new = import_module(f"{ROOT}.{MODULES[module]}")
    if module not in PACKAGES:
        fresh(module)
    with pytest.warns(DeprecationWarning, match=MODULES[module]):
        assert getattr(import_module(f"{ROOT}.{module}"), name) is getattr(new, NAMES[old])


def test_old_imports_as_people_wrote_them():
    fresh("session.request")
    with pytest.warns(DeprecationWarning, match="session.predictor"):
        from napari_intseg.session.request import run
    from napari_intseg.session import predictor

    assert run is predictor.run
    with pytest.warns(DeprecationWarning, match="two_answers"):
        from napari_intseg.session.compare import Overlap
    assert Overlap().iou == 1.0


def test_the_rooms_of_a_package_with_an_old_name_are_found_without_a_warning(recwarn):
    from napari_intseg.session.compare import two_answers
    from napari_intseg.session.journal import recorder

    assert two_answers.__name__.endswith("two_answers")
    assert recorder.__name__.endswith("recorder")
    assert not [one for one in recwarn if issubclass(one.category, DeprecationWarning)]


def test_a_module_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match="never_was"):
        import_module(f"{ROOT}.session.never_was")


def test_importing_the_package_loads_no_room():
    loaded = "[m for m in sys.modules if m.startswith('napari_intseg.')]"
    code = f"import sys, napari_intseg; print({loaded})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.strip() == "['napari_intseg._moved', 'napari_intseg._version']"


@pytest.mark.parametrize(
    ("module", "name", "old", "new"),
    [
        ("ui.dock", "SegmentWidget", "bench", "controller"),
        ("ui.controllers.viewer_controller", "ViewerController", "binder", "image_controller"),
        ("ui.controllers.viewer_controller", "ViewerController", "voice", "signals"),
        ("ui.controllers.image_controller", "ImageController", "drawer", "session_store"),
        ("ui.controllers.image_controller", "ImageController", "frame", "image_axes"),
        ("ui.controllers.image_controller", "ImageController", "viewed", "displayed_slice"),
    ],
)
def test_a_renamed_attribute_works_and_warns(module, name, old, new):
    kind = getattr(import_module(f"{ROOT}.{module}"), name)

    class Held:
        pass

    held = Held()
    setattr(held, new, 7)
    with pytest.warns(DeprecationWarning, match=new):
        assert getattr(kind, old).fget(held) == 7

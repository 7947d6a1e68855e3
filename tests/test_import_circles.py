"""No module imports itself, however far round; imports in functions and for types count."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import napari_intseg

PACKAGE = Path(napari_intseg.__file__).parent


def module_name(file: Path, package: Path) -> str:
    parts = (package.name, *file.relative_to(package).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST, modules: Iterable[str]) -> Iterator[str]:
    """Yield what a module imports of some modules, in functions and for types as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield from (name for name in (whole, node.module or "") if name in modules)


def imports(package: Path) -> dict[str, set[str]]:
    """Return what each module of a package imports of it; importing a module imports no package.

    A package's `__init__` is left out as the goal of an import: here none holds code that imports.
    """
    files = {module_name(file, package): file for file in package.rglob("*.py")}
    goals = {name for name, file in files.items() if file.name != "__init__.py"}
    return {
        name: set(imported(ast.parse(file.read_text("utf-8")), goals)) - {name}
        for name, file in files.items()
    }


def reached(start: str, arrows: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = [start]
    while todo:
        new = arrows[todo.pop()] - found
        found |= new
        todo.extend(new)
    return found


def circles(arrows: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """Return the strongly connected components of more than one module."""
    after = {name: reached(name, arrows) for name in arrows}
    return {
        frozenset(other for other in after[name] if name in after[other])
        for name in arrows
        if name in after[name]
    }


def test_no_import_goes_round() -> None:
    assert sorted(map(sorted, circles(imports(PACKAGE)))) == []


def test_a_circle_is_found_wherever_it_is_made(tmp_path: Path) -> None:
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "at_top.py").write_text("from house.in_function import x\n")
    (package / "in_function.py").write_text("def f():\n    from house import for_types\n")
    (package / "for_types.py").write_text("if TYPE_CHECKING:\n    import house.at_top\n")
    (package / "aside.py").write_text("from house.at_top import y\n")
    found = circles(imports(package))
    assert found == {frozenset({"house.at_top", "house.in_function", "house.for_types"})}

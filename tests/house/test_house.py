from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import smalti
from smalti.formats import registry

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
MODULES = sorted((SRC / "smalti").rglob("*.py"))

# The floors: imports go down only, and rooms of one floor do not know of each other.
FLOORS = {
    "geometry": 1,
    "errors": 1,
    "_extras": 1,
    "native": 1,
    "_progress": 1,
    "schema": 2,
    "storage": 2,
    "dataset": 3,
    "formats": 3,
    "engines": 4,
    "store": 4,
    "training": 4,
    "view": 4,
    "edits": 5,
    "io": 5,
    "testing": 5,
    "cli": 6,
    "__main__": 7,
}
OPEN_FLOORS = {1, 2}  # rooms of these may use each other: they are one foundation
DOORS = {
    "dataset/doors.py",
    "schema/doors.py",
}  # verbs that lead up; they import what they lead to when they are called
FRONT = "__init__.py"  # the package's own: names are looked up when they are first used

LONGEST_MODULE = 400  # lines
LONGEST_FUNCTION = 40  # lines, its docstring aside
LONG_MODULES: dict[str, str] = {}  # path: reason
LONG_FUNCTIONS: dict[str, str] = {
    "cli/convert.py::convert": "a command's flags are its parameters; the body is a call",
}  # path::name: reason


def _path(file: Path) -> str:
    return file.relative_to(SRC / "smalti").as_posix()


def _room(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")


def _imports(tree: ast.Module) -> list[tuple[str, bool]]:
    """Every module of smalti that is imported, also under TYPE_CHECKING, and whether in a function."""
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    found: list[tuple[str, bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "smalti":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.partition(".")[0] == "smalti"]
        else:
            continue
        found += [(name, id(node) in inside) for name in names]
    return found


def _goes_down(path: str, target: str, *, in_function: bool) -> bool:
    """Whether the module at `path` may import `target` (``smalti.room.module.name``)."""
    parts = target.split(".")
    above = parts[1] if len(parts) > 1 else FRONT
    room = _room(path)
    if above == room or path == FRONT:
        return True
    if above not in FLOORS:  # the package itself
        return room == "cli"
    if room == "testing":
        return FLOORS[above] < FLOORS["cli"]
    if FLOORS[above] == FLOORS[room]:
        return FLOORS[room] in OPEN_FLOORS
    if FLOORS[above] < FLOORS[room]:
        return above != "testing"
    return path in DOORS and in_function


def test_floors__every_room_has_one() -> None:
    rooms = {_room(_path(file)) for file in MODULES} - {"__init__"}
    assert rooms <= set(FLOORS), "say in FLOORS where the new room stands"


@pytest.mark.parametrize("path", [_path(file) for file in MODULES])
def test_floors__imports_go_down(path: str) -> None:
    tree = ast.parse((SRC / "smalti" / path).read_text("utf-8"))
    wrong = [name for name, inside in _imports(tree) if not _goes_down(path, name, in_function=inside)]
    assert not wrong, f"{path} imports {', '.join(wrong)}, which does not stand below it"


def test_floors__the_rule_can_fail() -> None:
    assert not _goes_down("schema/types.py", "smalti.formats.protocol", in_function=False)
    assert not _goes_down("dataset/rows.py", "smalti.formats.report.Report", in_function=True)
    assert not _goes_down("dataset/doors.py", "smalti.io.write", in_function=False)
    assert not _goes_down("formats/transfer.py", "smalti.dataset.dataset.Dataset", in_function=False)
    assert not _goes_down("io.py", "smalti.testing.suite", in_function=False)
    assert _goes_down("dataset/doors.py", "smalti.io.write", in_function=True)
    tree = ast.parse("if TYPE_CHECKING:\n    from smalti.io import read\ndef f():\n    import smalti.view")
    assert _imports(tree) == [("smalti.io.read", False), ("smalti.view", True)]


def _formats() -> dict[str, str]:
    """The module or folder of each built-in format, by the prefix of its import string."""
    homes = {target.partition(":")[0] for target in registry.BUILT_IN.values()}
    return {home.split(".")[2]: home for home in homes}


@pytest.mark.parametrize("path", [p for p in map(_path, MODULES) if p.startswith("formats/")])
def test_formats__siblings_never_import_each_other(path: str) -> None:
    formats = set(_formats())
    own = path.split("/")[1].removesuffix(".py")
    tree = ast.parse((SRC / "smalti" / path).read_text("utf-8"))
    met = {name.split(".")[2] for name, _ in _imports(tree) if name.startswith("smalti.formats.")}
    assert not (met & formats) - {own}, f"{path} knows of the formats {sorted((met & formats) - {own})}"


@pytest.mark.parametrize("path", [_path(file) for file in MODULES])
def test_sizes__modules_are_short(path: str) -> None:
    lines = len((SRC / "smalti" / path).read_text("utf-8").splitlines())
    assert (lines > LONGEST_MODULE) == (path in LONG_MODULES), f"{path} has {lines} lines"


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    if ast.get_docstring(node) is None:
        return 0
    return (first.end_lineno or first.lineno) - first.lineno + 1


def _long_functions() -> dict[str, int]:
    found = {}
    for file in MODULES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
                if lines > LONGEST_FUNCTION:
                    found[f"{_path(file)}::{node.name}"] = lines
    return found


def test_sizes__functions_are_short() -> None:
    assert set(_long_functions()) == set(LONG_FUNCTIONS), _long_functions()


@pytest.mark.parametrize("path", [_path(file) for file in MODULES])
def test_modules__say_what_they_are_for(path: str) -> None:
    tree = ast.parse((SRC / "smalti" / path).read_text("utf-8"))
    assert ast.get_docstring(tree), f"{path} has no docstring"


def test_public_names__are_those_that_can_be_looked_up() -> None:
    assert smalti.__all__ == sorted(smalti.__all__)
    assert set(smalti.__all__) == {*smalti._HOMES, *smalti._ROOMS}
    assert set(smalti.__all__) <= set(dir(smalti))


@pytest.mark.parametrize("name", smalti.__all__)
def test_public_names__have_a_docstring(name: str) -> None:
    value = getattr(smalti, name)
    assert (value.__doc__ or "").strip()
    home = importlib.import_module(smalti._ROOMS.get(name) or smalti._HOMES[name])
    assert value is home or value is getattr(home, name)


def test_public_names__match_what_type_checkers_see() -> None:
    tree = ast.parse((SRC / "smalti" / FRONT).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = [alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(seen) == smalti.__all__


def test_public_names__unknown_one_is_refused() -> None:
    with pytest.raises(AttributeError, match="module 'smalti' has no attribute 'mosaic'"):
        smalti.mosaic  # noqa: B018  # looking it up is the test


def test_registry__is_sorted_and_true() -> None:
    assert list(registry.BUILT_IN) == sorted(registry.BUILT_IN)
    for name in registry.BUILT_IN:
        assert registry.get(name).info.name == name


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_files__name_no_path_of_one_machine() -> None:
    roots = re.compile(rb"(?<![\w./-])/(?:work|root)/")
    guilty = []
    for file in _tracked():
        data = file.read_bytes()
        if file != Path(__file__) and b"\0" not in data and roots.search(data):
            guilty.append(file.relative_to(ROOT).as_posix())
    assert not guilty


def test_ci__runs_what_the_readme_says() -> None:
    readme = (ROOT / "README.md").read_text("utf-8").splitlines()
    command = "bash tests/run"
    assert command in [line.strip().removeprefix("$ ") for line in readme]
    script = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert command in [line.strip().removeprefix("exec ") for line in script]
    assert (ROOT / "tests" / "run").is_file()


def test_format_pages__are_up_to_date() -> None:
    found = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "make_format_pages.py"), "--check"],
        env={"PYTHONPATH": str(SRC), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr

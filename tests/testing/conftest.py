from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from smalti.formats import registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PLUGIN = Path(__file__).parents[1] / "plugin_package"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that tests/plugin_package is installed in: its wheel is built and unpacked there."""
    from hatchling.build import build_wheel

    site, wheels = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("wheels")
    before = Path.cwd()
    os.chdir(PLUGIN)  # where a build backend is called, https://peps.python.org/pep-0517/
    try:
        wheel = build_wheel(str(wheels))
    finally:
        os.chdir(before)
    with zipfile.ZipFile(wheels / wheel) as archive:
        archive.extractall(site)
    return site


@pytest.fixture
def environment(installed: Path) -> dict[str, str]:
    """The environment of a process that has the plug-in and this project installed."""
    paths = [str(installed), *(path for path in sys.path if path)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def tinyboxes(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The plug-in's module in this process, found through its entry point."""
    monkeypatch.syspath_prepend(str(installed))
    _forget()
    registry.get("tinyboxes")
    yield sys.modules["tinyboxes"]
    _forget()


def _forget() -> None:
    registry.table.cache_clear()
    registry.get.cache_clear()
    sys.modules.pop("tinyboxes", None)

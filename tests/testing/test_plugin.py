from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import smalti as sm

if TYPE_CHECKING:
    from types import ModuleType

PLUGIN = Path(__file__).parents[1] / "plugin_package"


def test_plugin__is_found_through_its_entry_point(environment: dict[str, str]) -> None:
    code = "from smalti.cli import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", code, "formats"], env=environment, capture_output=True, text=True, check=True
    )
    assert "tinyboxes" in found.stdout


def test_plugin__keeps_the_laws_of_formats(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    found = subprocess.run(
        [*command, "--confcutdir", str(PLUGIN), "-c", str(PLUGIN / "pyproject.toml"), str(PLUGIN)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout
    assert " passed" in found.stdout


def test_plugin__is_recognised_and_converted(tinyboxes: ModuleType, tmp_path: Path) -> None:
    dataset = sm.read(PLUGIN / "golden.tinyboxes")
    assert dataset.report.source_format == tinyboxes.FORMAT.info.name
    report = sm.convert(PLUGIN / "golden.tinyboxes", tmp_path / "out.tinyboxes")
    assert report.lossless
    assert (report.samples_written, report.objects_written) == (2, 2)
    assert sm.read(tmp_path / "out.tinyboxes").digest() == dataset.digest()


def test_plugin__options_are_the_formats_own(tinyboxes: ModuleType, tmp_path: Path) -> None:
    dataset = sm.read(PLUGIN / "golden.tinyboxes")
    dataset.write(tmp_path / "out.tinyboxes", delimiter=";")
    assert "a/1.png;640;480;cat;10.0;20.5;30.0;40.0" in (tmp_path / "out.tinyboxes").read_text()
    back = sm.read(tmp_path / "out.tinyboxes", tinyboxes.FORMAT.info.name, delimiter=";")
    assert back.digest() == dataset.digest()

"""Laws of the format itself: what it says of itself, what it costs, what it claims."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from smalti.errors import EmptySourceError, OptionError, SmaltiError
from smalti.formats import registry
from smalti.formats.probe import Probe
from smalti.schema import features
from smalti.storage.location import Location
from smalti.testing.base import Base
from smalti.testing.examples import everything

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("torch", "tensorflow", "pandas", "polars", "duckdb", "PIL", "cv2", "matplotlib", "lxml", "datasets", "mlflow",
         "wandb", "ray", "hypothesis", "pytest")  # fmt: skip
COLUMNS = ("id", "image", "split", "objects", "captions", "categories")


class FormatLaws(Base):
    """A format can be described, recognised and imported without running it."""

    def test_format__describes_itself(self) -> None:
        """Name, title, specification, layout; what it keeps are fields that there are."""
        info = self.under_test.info
        assert info.name == self.format
        assert info.title
        assert info.spec.startswith("https://"), info.spec
        assert info.layout
        for field in info.keeps:
            column, _, member = field.partition(".")
            assert not member or member == "*" or member in features.OBJECT_MEMBERS, field
            assert column, field

    def test_format__import_is_cheap(self) -> None:
        """Importing its module loads no heavy library."""
        module = registry.table()[self.format].partition(":")[0]
        code = f"import sys, {module}; print(*(m for m in {HEAVY!r} if m in sys.modules))"
        paths = os.pathsep.join(path for path in sys.path if path)
        found = subprocess.run(  # noqa: S603  # our own interpreter
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        )
        assert not found.stdout.split(), found.stdout

    def test_format__recognises_what_it_wrote(self, tmp_path: Path) -> None:
        """Its own output is its own, and no other format claims it as surely."""
        for number, dataset in enumerate((self.plain(), everything())):
            target = tmp_path / str(number) / self.target
            self.write(self.with_images(dataset, tmp_path / "images"), target)
            found, match = registry.recognise(Location.parse(target))
            assert found.info.name == self.format, match
            assert match.reason

    @pytest.mark.parametrize("name", ["notes.txt", "a.json", "data.yaml", "x.csv", "a/b.bin", "a/1.jpg"])
    def test_format__does_not_claim_what_is_not_its_own(self, tmp_path: Path, name: str) -> None:
        """A folder with a file of nobody's makes no format sure."""
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"{}" if name.endswith(".json") else b"nothing of note\n")
        match = self.under_test.sniff(Probe(Location.parse(tmp_path)))
        assert match is None or match.grade < match.grade.CERTAIN, match

    def test_format__a_source_without_anything_is_an_error(self, tmp_path: Path) -> None:
        """An empty folder, and no folder, say what was looked for."""
        with pytest.raises(EmptySourceError, match="nothing is there"):
            self.read(tmp_path / "nowhere")
        with pytest.raises(SmaltiError, match=str(tmp_path.name)):
            self.read(tmp_path)

    def test_options__have_descriptions_and_defaults(self) -> None:
        """Flags and tables are made from them."""
        for name, field in self.under_test.options.model_fields.items():
            assert field.description, name
            assert not field.is_required(), name

    def test_options__unknown_ones_are_refused(self, tmp_path: Path) -> None:
        """A misspelt option is an error, for reading and for writing."""
        dataset = self.plain()
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(OptionError, match="no option 'no_such_option'"):
            self.read(tmp_path, no_such_option=1)
        with pytest.raises(OptionError, match="no option 'no_such_option'"):
            self.write(dataset, tmp_path / "to", no_such_option=1)

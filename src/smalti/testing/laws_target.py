"""Laws of the target: all of it stands there, or nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from smalti import io
from smalti.errors import TargetExistsError
from smalti.testing.base import Base
from smalti.testing.compare import tree

if TYPE_CHECKING:
    from pathlib import Path


class TargetLaws(Base):
    """An export that does not end well leaves nothing behind, and what was there before alone."""

    @pytest.mark.parametrize(("step", "after"), [("write", 0), ("write", 2), ("finish", 0)])
    def test_target__an_error_leaves_nothing(self, tmp_path: Path, step: str, after: int) -> None:
        """Whatever goes wrong while parts are written, or at the end, the target is not there."""
        dataset = self.with_images(self.plain(), tmp_path / "images")
        before = tree(tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            self._break(patch, step, after)
            with pytest.raises(OSError, match="the disk is full"):
                self.write(dataset, tmp_path / "to" / self.target)
        assert tree(tmp_path) == before
        assert not list((tmp_path / "to").iterdir())

    def test_target__that_exists_is_not_touched(self, tmp_path: Path) -> None:
        """Without ``overwrite`` an existing target stays as it is, byte for byte."""
        dataset = self.with_images(self.plain(), tmp_path / "images")
        self.write(dataset, tmp_path / self.target)
        before = tree(tmp_path)
        with pytest.raises(TargetExistsError, match="overwrite"):
            self.write(dataset, tmp_path / self.target)
        assert tree(tmp_path) == before

    def test_target__that_is_replaced_survives_an_error(self, tmp_path: Path) -> None:
        """With ``overwrite`` the old target stands until the new one is whole."""
        dataset = self.with_images(self.plain(), tmp_path / "images")
        self.write(dataset, tmp_path / self.target)
        before = tree(tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            self._break(patch, "finish", 0)
            with pytest.raises(OSError, match="the disk is full"):
                self.write(dataset, tmp_path / self.target, overwrite=True)
        assert tree(tmp_path) == before

    def test_target__that_is_replaced_keeps_nothing_old(self, tmp_path: Path) -> None:
        """After ``overwrite`` the target is as if it had never been there."""
        dataset = self.with_images(self.plain(), tmp_path / "images")
        smaller = dataset[:2]
        self.write(dataset, tmp_path / "1" / self.target)
        self.write(smaller, tmp_path / "1" / self.target, overwrite=True)
        self.write(smaller, tmp_path / "2" / self.target)
        assert tree(tmp_path / "1") == tree(tmp_path / "2")

    def test_target__of_a_killed_process_is_not_there(self, tmp_path: Path) -> None:
        """A process killed after its parts were written leaves nothing under the target's name."""
        dataset = self.with_images(self.plain(), tmp_path / "images")
        table, target = tmp_path / "table.arrow", tmp_path / "to" / self.target
        with pa.OSFile(str(table), "wb") as file, pa.ipc.new_file(file, dataset.schema.arrow) as writer:
            writer.write_table(dataset.to_arrow().cast(dataset.schema.arrow))
        job = {"table": str(table), "target": str(target), "format": self.format, "media": self.media}
        command = [
            sys.executable,
            "-m",
            "smalti.testing.killed",
            json.dumps({**job, "options": self._of("write")}),
        ]
        paths = os.pathsep.join(path for path in sys.path if path)
        process = subprocess.run(  # noqa: S603  # our own interpreter and module
            command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, check=False, timeout=60
        )
        assert process.returncode < 0, f"{process.returncode}: {process.stderr.decode()}"
        assert not target.exists()
        self.write(dataset, target)  # what the killed one left is not in the way
        assert len(self.read(target)) == len(dataset)

    def _break(self, patch: pytest.MonkeyPatch, step: str, after: int) -> None:
        """Make one step of the writer fail once it has been taken a few times, sample by sample."""
        writer = self.under_test.writer
        assert writer is not None, f"{self.format} cannot be written"
        sound, calls = getattr(writer, step), []

        def failing(*arguments: Any) -> Any:
            calls.append(step)
            if len(calls) > after:
                raise OSError("the disk is full")
            return sound(*arguments)

        patch.setattr(io, "BATCH", 1)
        patch.setattr(writer, step, failing)

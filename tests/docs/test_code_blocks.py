"""Every code block of the README and the documentation runs, each page as one session."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SETUP = (
    "<!-- run: setup -->"  # above the commands that make environments: what follows their installation runs
)
JUDGE = "<!-- run: judge -->"  # above what runs in the environment of the official readers, as Spark does
SILENT = {"", "text", "json", "yaml"}  # blocks that show something


@dataclass
class Block:
    kind: str
    body: str
    setup: bool
    judge: bool
    line: int


def blocks(text: str) -> list[Block]:
    return [
        Block(
            found[1],
            found[2],
            text[: found.start()].rstrip().endswith(SETUP),
            text[: found.start()].rstrip().endswith(JUDGE),
            text[: found.start()].count("\n") + 1,
        )
        for found in FENCE.finditer(text)
    ]


def environment(folder: Path) -> dict[str, str]:
    tools = Path(sys.executable).parent
    return {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "COLUMNS": "120",
    }


def run_python(bodies: list[tuple[int, str]], folder: Path, page: Path, python: str = sys.executable) -> None:
    """All blocks of a page as one program, with the page's own line numbers."""
    lines: list[str] = []
    for line, body in bodies:
        lines += [""] * (line - len(lines)) + body.splitlines()
    script = folder / f"{page.stem}.py"
    script.write_text("\n".join(lines), "utf-8")
    done = subprocess.run(
        [python, *(["-W", "error"] if python == sys.executable else []), script],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{page.name}:\n{done.stderr}"


def run_shell(command: str, folder: Path, page: Path) -> str:
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{page.name}: {command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_console(body: str, folder: Path, page: Path) -> None:
    """Commands behind ``$``, and below each what it prints, with ``...`` for any text."""
    for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE):
        found = run_shell(command, folder, page)
        checker = doctest.OutputChecker()
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert not expected or checker.check_output(expected, found, flags), f"{command}\n{found}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_code_blocks__run(page: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    pending: list[tuple[int, str]] = []
    for block in blocks(page.read_text("utf-8")):
        if block.kind == "python" and not block.judge:
            pending.append((block.line, block.body))
            continue
        if block.kind in SILENT:
            continue
        if pending:  # commands go on with what the program has written so far
            run_python(pending, tmp_path, page)
        if block.judge:
            run_python([(block.line, block.body)], tmp_path, page, os.environ["SMALTI_JUDGE_PYTHON"])
        elif block.kind == "console":
            run_console(block.body, tmp_path, page)
        elif block.kind == "bash":
            _run_bash(block, tmp_path, page)
        else:
            pytest.fail(f"{page.name}, line {block.line}: nobody runs a block of {block.kind!r}")
        pending = []
    if pending:
        run_python(pending, tmp_path, page)


def _run_bash(block: Block, folder: Path, page: Path) -> None:
    command = block.body
    if block.setup:  # the environment stands already
        command = re.sub(r"^.*?pip install [^&]*&&\s*|^bash tests/run$", "", command.strip()).replace(
            ".venv/bin/", ""
        )
    if command:
        run_shell(command, folder, page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links__lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"

"""The guide's notebook runs from start to end, and its pictures are those of the docs.

With SMALTI_REWRITE_GOLDEN set, what it gives is written: into the notebook, and to docs/images.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

import smalti

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.xdist_group("browser"),
    # Kernels talk over sockets, which Python's collector closes late.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "docs" / "guide" / "tour.ipynb"
IMAGES = ROOT / "docs" / "images"
SOMEWHERE = "/home/you/smalti"  # in the place of the folder that it ran in


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook after it ran, in a copy of the house."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "docs" / "guide").mkdir(parents=True)
    notebook = nbformat.read(TOUR, as_version=4)
    run(notebook, folder / "docs" / "guide")
    assert (folder / "docs" / "guide" / "street.html").exists()
    for output in outputs(notebook):
        for kind, value in output.get("data", {}).items():
            if isinstance(value, str):
                output["data"][kind] = value.replace(str(folder), SOMEWHERE)
    if os.environ.get("SMALTI_REWRITE_GOLDEN"):
        nbformat.write(light(notebook), TOUR)
    return notebook


def run(notebook: Any, folder: Path) -> None:
    source = str(Path(smalti.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}
    )
    client.execute(env=env)


def outputs(notebook: Any) -> Iterator[Any]:
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def light(notebook: Any) -> Any:
    """A copy whose pictures are JPEGs, and that says nothing of when it ran."""
    made = nbformat.from_dict(notebook)
    for cell in made.cells:
        cell.metadata.pop("execution", None)
    for output in outputs(made):
        if "image/png" in output.get("data", {}):
            sink = io.BytesIO()
            decoded(output["data"].pop("image/png")).save(sink, "JPEG", quality=82)
            output["data"]["image/jpeg"] = base64.b64encode(sink.getvalue()).decode()
    return made


def decoded(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


def pictured() -> list[str]:
    cells = nbformat.read(TOUR, as_version=4).cells
    return [cell.metadata["picture"] for cell in cells if "picture" in cell.metadata]


def test_tour__says_the_same_as_it_is_kept(tour: Any) -> None:
    kept = nbformat.read(TOUR, as_version=4)
    assert len(kept.cells) == len(tour.cells)
    for before, after in zip(kept.cells, tour.cells, strict=True):
        for one, other in zip(before.get("outputs", []), after.get("outputs", []), strict=True):
            assert one.output_type == other.output_type == "execute_result"
            assert one["data"].get("text/plain") == other["data"].get("text/plain") or "at 0x" in str(one)
    body = TOUR.read_text("utf-8")
    assert str(ROOT) not in body
    assert "<script" not in body


@pytest.mark.usefixtures("plain_font")
@pytest.mark.parametrize("name", pictured())
def test_tour__pictures_are_those_of_the_docs(
    tour: Any, look: Callable[..., Any], golden: Callable[..., None], name: str
) -> None:
    (cell,) = [cell for cell in tour.cells if cell.metadata.get("picture") == name]
    (output,) = cell.outputs
    if "image/png" in output["data"]:
        picture = decoded(output["data"]["image/png"])
        golden(picture, f"tour_{name}", tolerance=3, worst=160, slack=8, folder=IMAGES)
        return
    shown = look(output["data"]["text/html"])
    shown.check()
    golden(shown.picture(".smalti"), f"tour_{name}", tolerance=4, worst=160, slack=6, folder=IMAGES)


def test_tour__its_pictures_are_shown_in_the_guide() -> None:
    page = (ROOT / "docs" / "guide" / "pictures.md").read_text("utf-8")
    for name in pictured():
        assert f"](../images/tour_{name})" in page, name
    assert TOUR.stat().st_size < 1_500_000


def test_progress__in_a_notebook(tmp_path: Path) -> None:
    """A bar for what takes long, which ends as a sentence; nothing for what is done at once; no widgets."""
    work = "with track({total}, 'reading <b>') as step:\n    for _ in range(4):\n        time.sleep({pause})\n        step(25)"
    cells = [
        nbformat.v4.new_code_cell("import time\nfrom smalti._progress import track"),
        nbformat.v4.new_code_cell(work.format(total=100, pause=0.3)),
        nbformat.v4.new_code_cell(work.format(total=0, pause=0.3)),
        nbformat.v4.new_code_cell(work.format(total=100, pause=0)),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    run(notebook, tmp_path)
    for cell in notebook.cells[1:3]:
        (output,) = cell.outputs
        assert output["data"]["text/plain"].startswith("reading <b> 100 in ")
        assert (
            '<div>reading &lt;b&gt; <progress value="100" max="100"></progress>'
            in output["data"]["text/html"]
        )
    assert notebook.cells[3].outputs == []

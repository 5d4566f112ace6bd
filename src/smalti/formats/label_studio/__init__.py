"""Label Studio's JSON: a list of tasks, each an image with annotations of several people and predictions.

Specification: https://labelstud.io/guide/task_format

    tasks.json           [{"id", "data": {"image"}, "annotations": [{"completed_by", "result": […]}], "predictions": […]}]
    label_config.xml     the labels and questions
    images/<split>/*.jpg
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.formats.label_studio.read import LabelStudioOptions, LabelStudioReader, looks_like_tasks
from smalti.formats.label_studio.write import LabelStudioWriter
from smalti.formats.protocol import Format, FormatInfo, Grade, Match
from smalti.schema import features

if TYPE_CHECKING:
    from smalti.formats.probe import Probe


def sniff(probe: Probe) -> Match | None:
    """A JSON whose head has tasks with data, and annotations of them."""
    for path in probe.matching("*.json")[:8]:
        head = probe.head(path)
        if not looks_like_tasks(head):
            continue
        certain = b'"result"' in head or b'"from_name"' in head or path.endswith("tasks.json")
        return Match(
            Grade.CERTAIN if certain else Grade.LIKELY, f"{path} has tasks with data and annotations"
        )
    return None


FORMAT = Format(
    info=FormatInfo(
        name="label_studio",
        title="Label Studio",
        spec="https://labelstud.io/guide/task_format",
        layout=("tasks.json", "label_config.xml", "images/<split>/*"),
        keeps=frozenset({"image", "split", *(f"objects.{name}" for name in features.OBJECT_MEMBERS)}),
    ),
    sniff=sniff,
    reader=LabelStudioReader,
    writer=LabelStudioWriter,
    options=LabelStudioOptions,
)

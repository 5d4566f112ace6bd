"""Amazon SageMaker Ground Truth: augmented manifests, one JSON object a line and image.

Specification: https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html

    output.manifest        {"source-ref": "s3://bucket/images/a.jpg", "birds": {"image_size": […], "annotations": […]},
    or train.manifest …     "birds-metadata": {"class-map": {"0": "Bird"}, "objects": [{"confidence": 0.9}], …}}
    images/a.jpg           the images, where they are at hand
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.formats.protocol import Format, FormatInfo, Grade, Match
from smalti.formats.sagemaker.options import NAME, SUFFIX, SageMakerOptions
from smalti.formats.sagemaker.read import SageMakerReader
from smalti.formats.sagemaker.write import SageMakerWriter

if TYPE_CHECKING:
    from smalti.formats.probe import Probe

LOOKED_AT = 4  # files


def sniff(probe: Probe) -> Match | None:
    """A file of JSON lines with references to images."""
    names = probe.files if probe.is_file else probe.matching(f"*{SUFFIX}")
    for path in names[:LOOKED_AT]:
        head = probe.head(path).lstrip()
        line = head.partition(b"\n")[0]
        if line.startswith(b"{") and b'"source-ref"' in line:
            return Match(Grade.CERTAIN, f"{path} is a manifest of images")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="sagemaker",
        title="SageMaker Ground Truth",
        spec="https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html",
        layout=(NAME, "<split>.manifest", "**/*.jpg"),
        keeps=frozenset(
            {"image", "split", "objects.category", "objects.bbox", "objects.score", "label", "labels", "mask"}
        ),
        file_suffixes=(SUFFIX,),
    ),
    sniff=sniff,
    reader=SageMakerReader,
    writer=SageMakerWriter,
    options=SageMakerOptions,
)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from smalti.testing import FormatSuite, Shape

if TYPE_CHECKING:
    from smalti.dataset.dataset import Dataset

GOLDEN = Path(__file__).parent.parent / "golden" / "yolo"


class YoloSuite(FormatSuite):
    format = "yolo"
    media = "link"  # sizes are found in the images
    tolerance = 1e-9  # rows hold fractions of the image's size
    ordered = False  # images are listed in the order of their names
    needs: ClassVar[str] = ""  # the member without which the options are refused

    def for_all(self, law: Any, drawn: Any = None) -> None:
        super().for_all(law, drawn.filter(self._fits) if drawn is not None and self.needs else drawn)

    def _fits(self, dataset: Dataset) -> bool:
        return self.needs in dataset.schema.objects().members


class TestYoloDetect(YoloSuite):
    options: ClassVar = {"task": "detect"}
    golden = GOLDEN / "lf_yolov8"
    shape = Shape(members=("category", "bbox"), category_ids=False)


class TestYoloSegment(YoloSuite):
    options: ClassVar = {"task": "segment"}
    golden = GOLDEN / "lf_yolov8_seg"
    shape = Shape(members=("category", "polygons"), max_parts=1, category_ids=False)


class TestYoloPose(YoloSuite):
    options: ClassVar = {"task": "pose"}
    golden = GOLDEN / "pose"
    shape = Shape(members=("category", "bbox", "keypoints"), category_ids=False)
    needs = "keypoints"


class TestYoloObb(YoloSuite):
    options: ClassVar = {"task": "obb"}
    golden = GOLDEN / "obb"
    shape = Shape(members=("category", "quad"), category_ids=False)


class TestYoloScores(YoloSuite):
    options: ClassVar = {"task": "detect", "extra_column": "score"}
    golden = GOLDEN / "scores"
    shape = Shape(members=("category", "bbox", "score"), category_ids=False)
    needs = "score"


class TestYoloTracks(YoloSuite):
    options: ClassVar = {"task": "segment", "extra_column": "track_id"}
    golden = GOLDEN / "tracks"
    shape = Shape(members=("category", "polygons", "track_id"), max_parts=1, category_ids=False)
    needs = "track_id"

"""KITTI: the object benchmark (`smalti.formats.kitti.objects`) and the tracking benchmark (`smalti.formats.kitti.tracking`).

Specification: https://www.cvlibs.net/datasets/kitti/eval_object.php and https://www.cvlibs.net/datasets/kitti/eval_tracking.php
"""

from __future__ import annotations

from smalti.formats.kitti.objects import FORMAT

__all__ = ["FORMAT"]

"""The panoptic quality of an export measured against another: python panoptic_judge.py TRUTH PREDICTION, JSON on stdout.

Both are JSON files with a folder of their name beside them. Runs panopticapi in the environment of setup.sh.
"""

from __future__ import annotations

import json
import sys

from panopticapi.evaluation import pq_compute

found = pq_compute(sys.argv[1], sys.argv[2])
print(json.dumps(found, default=float))  # noqa: T201  # the verdict

"""The kit for testing formats and whatever works on datasets; it comes with ``smalti[testing]``.

suite.py        FormatSuite: the laws as tests that a format inherits
strategies.py   hypothesis strategies for datasets
examples.py     two fixed datasets: everything, and all that one format holds
corruptions.py  ways to break a file
images.py       tiny real images
compare.py      what differs between two datasets or two trees of files
"""

from __future__ import annotations

from smalti._extras import require

require("hypothesis", "testing")
_LAWS = ("base", "laws_format", "laws_input", "laws_losses", "laws_reader", "laws_roundtrip", "laws_target")
require("pytest", "testing").register_assert_rewrite(*(f"smalti.testing.{name}" for name in _LAWS))

from smalti.testing.compare import differences, tree  # noqa: E402  # after the libraries were looked up
from smalti.testing.corruptions import CORRUPTIONS, Corruption  # noqa: E402  # as above
from smalti.testing.examples import everything, plain  # noqa: E402  # as above
from smalti.testing.images import write_images  # noqa: E402  # as above
from smalti.testing.strategies import Shape, categories, datasets, objects  # noqa: E402  # as above
from smalti.testing.suite import FormatSuite  # noqa: E402  # as above
from smalti.testing.tables import build  # noqa: E402  # as above

__all__ = [
    "CORRUPTIONS",
    "Corruption",
    "FormatSuite",
    "Shape",
    "build",
    "categories",
    "datasets",
    "differences",
    "everything",
    "objects",
    "plain",
    "tree",
    "write_images",
]

"""FormatSuite: the laws that every format keeps, as tests that a format's own tests inherit.

    from smalti.testing import FormatSuite, Shape

    class TestTinyBoxes(FormatSuite):
        format = "tinyboxes"
        shape = Shape(members=("category", "bbox"), category_ids=False)

Each law is one small method with its sentence; read them in this order:

    laws_format.py     a format describes itself, is cheap, is recognised
    laws_roundtrip.py  what is written is what is read, byte for byte the same twice
    laws_losses.py     what is not kept is in the report, and totals reconcile
    laws_target.py     all of it stands under the target's name, or nothing
    laws_input.py      broken and hostile input ends in errors that name the place
    laws_reader.py     parts in any order, in any process; fields that nobody asks for are counted
"""

from __future__ import annotations

from smalti.testing.laws_format import FormatLaws
from smalti.testing.laws_input import InputLaws
from smalti.testing.laws_losses import LossLaws
from smalti.testing.laws_reader import ReaderLaws
from smalti.testing.laws_roundtrip import RoundTripLaws
from smalti.testing.laws_target import TargetLaws


class FormatSuite(FormatLaws, RoundTripLaws, LossLaws, TargetLaws, InputLaws, ReaderLaws):
    """The laws of formats. Subclass it in a test module, and set what `smalti.testing.base.Base` lists."""

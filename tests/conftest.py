from __future__ import annotations

from hypothesis import settings

# No test fails because a machine is busy.
settings.register_profile("untimed", parent=settings(), deadline=None)
settings.load_profile("untimed")

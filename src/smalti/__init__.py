"""smalti: one dataset representation that training, tracking and analysis tools share."""

from __future__ import annotations

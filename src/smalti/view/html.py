"""What notebooks show."""

from __future__ import annotations

from html import escape


def html(value: object) -> str:
    """A value as HTML."""
    return f"<pre>{escape(repr(value))}</pre>"

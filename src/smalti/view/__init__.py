"""Looking at data: colours, drawing labels on pictures, contact sheets."""

from __future__ import annotations

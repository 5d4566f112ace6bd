"""What notebooks show of a value, as HTML without scripts."""

from __future__ import annotations

from typing import Any

from smalti.dataset.dataset import Dataset
from smalti.formats.report import Report
from smalti.schema.categories import Categories
from smalti.schema.objects import Objects
from smalti.schema.sample import Sample
from smalti.schema.schema import Schema
from smalti.view import html_dataset, html_sample, html_tables

SHOWN: dict[type, Any] = {
    Categories: html_tables.categories,
    Dataset: html_dataset.dataset,
    Objects: html_tables.objects,
    Report: html_tables.report,
    Sample: html_sample.sample,
    Schema: html_tables.schema,
}


def html(value: Any) -> str:
    """A dataset, a sample, objects, a schema, a class table or a report as HTML."""
    made = next(show for kind, show in SHOWN.items() if isinstance(value, kind))
    return str(made(value))

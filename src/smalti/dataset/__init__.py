"""The dataset: immutable, backed by an Arrow table or a lazy scan of Parquet files.

dataset.py      Dataset: the verbs as people type them
source.py       where its batches come from: a table, or files with steps applied batch by batch
expressions.py  col, and evaluating expressions where categories are words
rows.py         filter, sort, shuffle, take, concat
columns.py      select, drop, rename, with_column
objects.py      the flat table of objects, filter_objects, map_categories
build.py        from samples, and back to them
digest.py       the hash of the logical content
text.py         the plain description
"""

from __future__ import annotations

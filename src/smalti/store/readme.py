"""The README beside the data: how tools that know nothing of smalti read it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smalti.storage.location import Location

NAME = "README.md"
TEXT = """# A smalti store

One dataset in versions. `versions/<number>.json` says which Parquet files in `data/` a version is made of; no file
is ever changed. So read the files that a manifest lists. **Do not read `data/*.parquet`**: that has the samples of
all versions at once, changed and deleted ones too.

```python
import smalti as sm

ds = sm.read("{root}")             # the newest version; version=3, version="tag"
```

DuckDB:

```sql
SET VARIABLE files = (
  SELECT list('{root}/' || f.path)
  FROM (SELECT unnest(files) AS f FROM
    (SELECT version, files FROM read_json('{root}/versions/*.json', union_by_name = true) ORDER BY version DESC LIMIT 1)));
SELECT count(*) FROM read_parquet(getvariable('files'), union_by_name = true);
```

pandas, Polars, Spark, Ray: take the list from the newest manifest.

```python
import json
from pathlib import Path

root = Path("{root}")
manifest = json.loads(max((root / "versions").glob("*.json")).read_text())
listed = [json.loads((root / one["path"]).read_text()) for one in manifest["lists"]]  # where there are very many
files = [str(root / file["path"]) for part in (*listed, manifest["files"]) for file in part]
```

| tool | call |
|---|---|
| pandas | `pd.concat(map(pd.read_parquet, files))` |
| Polars | `pl.scan_parquet(files, missing_columns="insert")` |
| pyarrow | `pyarrow.dataset.dataset(files)` |
| Spark | `spark.read.option("mergeSchema", True).parquet(*files)`, with `spark.sql.parquet.enableVectorizedReader=false`: its fast reader does not know the encoding of coordinates |
| Ray | `ray.data.read_parquet(files)` |

The schema, with the class tables, is in the manifest under `schema`, and in each file's metadata.
"""


def write(root: Location) -> None:
    """Write it beside the data; a store is whole without it."""
    with suppress(OSError):
        (root / NAME).write_bytes(TEXT.replace("{root}", root.url).encode())

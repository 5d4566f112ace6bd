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
  SELECT CASE WHEN len(lists) > 0 THEN error('more files than one manifest lists: take them by Python') ELSE
    ['{root}/' || f.path FOR f IN files] END
  FROM read_json('{root}/versions/*.json',
    columns = {version: 'BIGINT', files: 'STRUCT(path VARCHAR)[]', lists: 'STRUCT(path VARCHAR)[]'})
  ORDER BY version DESC LIMIT 1);
SELECT count(*) FROM read_parquet(getvariable('files'), union_by_name = true);
```

pandas, Polars, Spark, Ray: take the list from the newest manifest.

```python
import json, fsspec

fs, root = fsspec.url_to_fs("{root}")
versions = [name for name in fs.ls(f"{root}/versions", detail=False) if name.endswith(".json")]
manifest = json.loads(fs.cat_file(max(versions)))
listed = [json.loads(fs.cat_file(f"{root}/{one['path']}")) for one in manifest["lists"]]  # where there are very many
files = [f"{root}/{file['path']}" for part in (*listed, manifest["files"]) for file in part]
```

| tool | call |
|---|---|
| pandas | `pd.concat(pd.read_parquet(file, filesystem=fs) for file in files)` |
| Polars | `pl.concat([pl.scan_parquet(fs.unstrip_protocol(file)) for file in files], how="diagonal_relaxed")` |
| pyarrow | `pyarrow.dataset.dataset(files, filesystem=fs)` |
| Spark | `spark.read.option("mergeSchema", True).parquet(*files)`, with `spark.sql.parquet.enableVectorizedReader=false`: its fast reader does not know the encoding of coordinates |
| Ray | `ray.data.read_parquet([fs.unstrip_protocol(file) for file in files])` |

Columns that came later are null in earlier files: Polars, Spark and DuckDB are told so above; pyarrow and Ray take the
columns of the first file unless they are given a schema.

The schema, with the class tables, is in the manifest under `schema`, and in each file's metadata.
"""


def write(root: Location) -> None:
    """Write it beside the data; a store is whole without it."""
    with suppress(OSError):
        (root / NAME).write_bytes(TEXT.replace("{root}", root.url).encode())

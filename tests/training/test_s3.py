"""Training from a bucket: a server that speaks S3 over HTTP."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest
import s3fs
import torch
from torch.utils.data import DataLoader

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("s3") / "log").open("wb")
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (
        pytest.MonkeyPatch.context() as patch,
        log,
        subprocess.Popen(command, stdout=log, stderr=log) as server,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url)
            for name, value in {
                "AWS_ENDPOINT_URL": url,
                "AWS_ACCESS_KEY_ID": "a",
                "AWS_SECRET_ACCESS_KEY": "b",
                "AWS_DEFAULT_REGION": "us-east-1",
            }.items():
                patch.setenv(name, value)
            s3fs.S3FileSystem().mkdir("pictures")
            yield "s3://pictures"
        finally:
            server.kill()


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310  # our own server
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the S3 server did not start")


def test_bucket__pictures_are_read_and_kept(bucket: str, street: sm.Dataset, tmp_path: Path) -> None:
    report = street.write(f"{bucket}/street", format="coco", media="copy")
    assert report.media == {"placed": 12}
    ds = sm.read(f"{bucket}/street")
    assert str(ds.schema.media_root).startswith("s3://")
    items = ds.to_torch(cache=str(tmp_path / "cache"))
    plain = street.to_torch()
    order = {sample.id: row for row, sample in enumerate(street)}
    for row, sample in enumerate(ds):
        assert torch.equal(items[row][0], plain[order[sample.id]][0])
    assert len(list((tmp_path / "cache").iterdir())) == 12
    s3fs.S3FileSystem().rm(f"{bucket}/street", recursive=True)
    assert torch.equal(items[0][0], plain[order[ds[0].id]][0])  # from the cache


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_bucket__workers_stream_from_it(bucket: str, street: sm.Dataset, context: str) -> None:
    street.write(f"{bucket}/{context}/images", format="coco", media="copy")
    sm.read(f"{bucket}/{context}/images").write(f"{bucket}/{context}/street.parquet")
    stream = sm.Dataset.scan(f"{bucket}/{context}/street.parquet").to_torch_stream()
    loader = DataLoader(
        stream, batch_size=4, num_workers=2, multiprocessing_context=context, collate_fn=sm.torch.collate
    )
    seen = [
        (target["image_id"].item(), image.shape[0])
        for images, targets in loader
        for image, target in zip(images, targets, strict=True)
    ]
    assert sorted(seen) == [(number, 3) for number in range(12)]

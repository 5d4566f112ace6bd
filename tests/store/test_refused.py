"""File systems that cannot keep writers apart: they are told so before anything is written, and serve one writer."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import smalti as sm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., sm.Dataset]

HERE = Path(__file__).parent
STREET = HERE.parents[1] / "examples" / "street"
# What their clients for Python say of themselves.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a server of that kind."""
    kind: str = request.param
    (tmp_path / kind).mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(HERE / f"{kind}_server.py")
    words = [sys.executable, "-W", "ignore", program, str(tmp_path / kind), str(port)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as serving:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.1)
        yield f"{kind}://u:p@127.0.0.1:{port}/birds"
        serving.kill()


@pytest.mark.parametrize("server", ["sftp", "ftp"], indirect=True)
def test_server__is_refused_and_serves_one_writer(server: str, make: Make, tmp_path: Path) -> None:
    refused = r"cannot make a file only where there is none.*single_writer=True"
    with pytest.raises(sm.errors.OptionError, match=refused):
        sm.Store(server).write(make(["a"]))
    assert list(tmp_path.joinpath(server.partition(":")[0]).iterdir()) == []  # not even a folder
    alone = sm.Store(server, single_writer=True)
    alone.write(make(["a"]))
    alone.append(make(["b"]))
    alone.tag("best")
    for act in (
        lambda store: store.append(make(["c"])),
        lambda store: store.delete(sm.col("id") == "a"),
        lambda store: store.tag("x"),
        lambda store: store.prune(dry_run=False),
        lambda store: store.publish_delta(),
    ):
        with pytest.raises(sm.errors.OptionError, match=refused):
            act(sm.Store(server))
    assert sm.read(server, version="best").load().digest() == make(["a", "b"]).digest()
    assert sm.read(server)[1].id == "b"
    alone.prune(keep=1, dry_run=False, grace=timedelta(0))
    assert [v.version for v in alone.versions()] == [2]
    assert alone.check()
    alone.write(sm.read(STREET), media="files")  # many files, of a client that one thread alone may use
    here = sm.read(server).localize(tmp_path / "here", progress=False)
    assert sorted(path.name for path in (tmp_path / "here").rglob("*.jpg"))
    assert here.digest() == sm.read(STREET).digest()
    assert alone.check()


@pytest.mark.parametrize("url", ["smb://host/share/birds", "webhdfs://host:1/birds", "hdfs://host/birds"])
def test_others__are_refused_before_they_are_called(url: str, make: Make) -> None:
    with pytest.raises(sm.errors.OptionError, match="cannot make a file only where there is none"):
        make(["a"]).write(url, format="smalti")

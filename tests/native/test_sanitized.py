"""The kernels read hostile bytes: here they do it where every wrong step in memory ends the process."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import smalti.native

HERE = Path(__file__).parent
SOURCES = Path(smalti.native.__file__).parent
CHECKED = [HERE / "test_json.py", HERE / "test_files.py", HERE.parent / "formats" / "coco" / "test_faults.py"]
LOADER = """
import importlib.util, sys
for name in ("_json", "_files"):
    spec = importlib.util.spec_from_file_location(f"smalti.native.{name}", f"{%r}/{name}.so")
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
"""


def test_kernels__under_the_address_and_undefined_behaviour_sanitizers(tmp_path: Path) -> None:
    for name in ("_json", "_files"):
        subprocess.run(
            ["cc", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-shared", "-fPIC",
             "-Wno-missing-field-initializers", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
             f"-I{sysconfig.get_path('include')}", f"{SOURCES}/{name}.c", "-o", f"{tmp_path}/{name}.so"],
            check=True,
        )  # fmt: skip
    (tmp_path / "sitecustomize.py").write_text(LOADER % str(tmp_path))
    library = subprocess.run(
        ["cc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    ).stdout.strip()
    environment = {
        **os.environ,
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:xdist",
            "-p",
            "no:cacheprovider",
            *map(str, CHECKED),
        ],
        env=environment,
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]


def test_sanitizer__is_really_there(tmp_path: Path) -> None:
    """What the test above relies on finds a read behind a buffer."""
    source, program = tmp_path / "a.c", tmp_path / "a"
    source.write_text("#include <stdlib.h>\nint main(int n, char **v) { return ((char *)malloc(8))[n + 7]; }")
    subprocess.run(["cc", "-fsanitize=address", str(source), "-o", str(program)], check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert "heap-buffer-overflow" in done.stderr

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from smalti import __version__, cli
from smalti.formats import registry

STREET = Path(__file__).parents[2] / "examples" / "street"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process: its exit code, what it printed, and what it complained."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["smalti", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capsys.readouterr()
        return int(exit_.value.code or 0), out, err

    return call


def test_convert__writes_and_accounts(run: Any, tmp_path: Path) -> None:
    target = tmp_path / "out"
    code, out, err = run("convert", STREET, target, "--to", "yolo", "--task", "detect", "--media", "link")
    assert (code, err) == (0, "")
    assert "read 12 samples with 26 objects from coco" in out
    assert "wrote 12 samples with 25 objects as yolo" in out
    assert "crowd.skipped" in out
    assert len(list(target.rglob("*.txt"))) == 12
    assert "progress" not in out
    assert "\r" not in out


def test_convert__json_is_the_report_and_nothing_else(run: Any, tmp_path: Path) -> None:
    for on_loss in ("warn", "ignore"):
        target = tmp_path / on_loss
        _, out, _ = run(
            "convert", STREET, target, "--to", "yolo", "--task", "detect", "--json", "--on-loss", on_loss
        )
        report = json.loads(out)
        assert report["reconciles"] is True
        assert report["lossless"] is False
        assert {"crowd.skipped", "field.dropped"} <= {loss["code"] for loss in report["losses"]}
        assert report["objects_read"] == 26


def test_convert__options_of_formats_are_flags(run: Any, tmp_path: Path) -> None:
    code, out, _ = run(
        "convert",
        STREET,
        tmp_path / "out",
        "--to",
        "yolo",
        "--task=detect",
        "--crowds",
        "keep",
        "--outside=keep",
        "--json",
    )
    codes = {loss["code"] for loss in json.loads(out)["losses"]}
    assert code == 0
    assert not codes & {"crowd.skipped", "box.clipped"}


def test_convert__from_and_media_root(run: Any, tmp_path: Path) -> None:
    source = STREET / "annotations" / "instances_val.json"
    code, out, _ = run(
        "convert", source, tmp_path / "out", "--from", "coco", "--to", "coco", "--media-root", STREET / "images" / "val",
        "--media", "copy", "--split", "val",
    )  # fmt: skip
    assert code == 0, out
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 4


def test_convert__dry_run_writes_nothing(run: Any, tmp_path: Path) -> None:
    code, out, _ = run("convert", STREET, tmp_path / "out", "--to", "yolo", "--task", "detect", "--dry-run")
    assert code == 0
    assert "would write 12 samples" in out
    assert list(tmp_path.iterdir()) == []


def test_convert__picture_is_drawn(run: Any, tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "sheet.png"
    code, out, _ = run(
        "convert",
        STREET,
        tmp_path / "out",
        "--to",
        "yolo",
        "--task",
        "segment",
        "--media",
        "copy",
        "--picture",
        picture,
    )
    assert code == 0
    assert f"drew {picture}" in out
    with Image.open(picture) as image:
        assert image.width > 800


def test_convert__existing_target_is_refused_without_overwrite(run: Any, tmp_path: Path) -> None:
    words = ("convert", STREET, tmp_path / "out", "--to", "parquet")
    assert run(*words)[0] == 0
    code, _, err = run(*words)
    assert code == 1
    assert err.startswith("smalti: ")
    assert "overwrite" in err
    assert run(*words, "--overwrite")[0] == 0


def test_convert__losses_can_be_errors(run: Any, tmp_path: Path) -> None:
    code, _, err = run(
        "convert", STREET, tmp_path / "out", "--to", "yolo", "--task", "pose", "--on-loss", "error"
    )
    assert code == 1
    assert "cannot hold everything" in err
    assert list(tmp_path.iterdir()) == []


def test_convert__faulty_source_is_refused_or_skipped(run: Any, tmp_path: Path) -> None:
    body = json.loads((STREET / "annotations" / "instances_val.json").read_text("utf-8"))
    body["annotations"][0]["image_id"] = 999
    source = tmp_path / "instances_val.json"
    source.write_text(json.dumps(body), "utf-8")
    code, _, err = run("convert", source, tmp_path / "out.parquet")
    assert code == 1
    assert "$.annotations[0].image_id" in err
    assert "Traceback" not in err
    code, out, _ = run("convert", source, tmp_path / "out.parquet", "--on-error", "skip")
    assert code == 0
    assert "skipped 1 faulty places" in out


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--to", "yolo", "--tsk", "detect"], "did you mean"),
        (["--to", "yolo", "--task", "paint"], "task"),
        (["--to", "yolo", "--task", "detect", "--crowds", "perhaps"], "crowds"),
        (["--to", "yolo", "--media", "steal"], "media"),
        (["--to", "yolo", "--on-loss", "cry"], "on-loss"),
        (["surplus", "--to", "yolo"], "unexpected argument"),
        ([], "say which format to write"),
    ],
)
def test_usage__is_exit_code_2(run: Any, tmp_path: Path, words: list[str], match: str) -> None:
    code, out, err = run("convert", STREET, tmp_path / "out", *words)
    assert code == 2, out + err
    assert match in out + err
    assert list(tmp_path.iterdir()) == []


def test_unknown_format__names_the_likely_one(run: Any, tmp_path: Path) -> None:
    code, _, err = run("convert", STREET, tmp_path / "out", "--to", "yollo")
    assert code in {1, 2}
    assert "did you mean 'yolo'?" in err


def test_missing_source__says_so(run: Any, tmp_path: Path) -> None:
    code, _, err = run("info", tmp_path / "nowhere")
    assert code == 1
    assert "nothing is there" in err


def test_info__tells_what_is_in_it(run: Any) -> None:
    code, out, _ = run("info", STREET)
    assert code == 0
    for part in ("12 samples", "8 train", "digest", "format coco"):
        assert part in out
    assert "■ person 6 1 7" in " ".join(out.split())
    facts = json.loads(run("info", STREET, "--json")[1])
    assert facts["samples"] == 12
    assert facts["splits"] == {"train": 8, "val": 4}
    assert facts["objects"]["objects"]["truck"] == 0
    assert len(facts["digest"]) == 64


def test_formats__are_listed_with_their_options(run: Any) -> None:
    code, out, _ = run("formats")
    assert code == 0
    assert all(name in out for name in registry.BUILT_IN)
    _, out, _ = run("formats", "yolo")
    assert "--task" in out
    assert "--crowds" in out
    facts = json.loads(run("formats", "--json")[1])
    assert [fact["name"] for fact in facts] == registry.names()


def test_version_and_help(run: Any) -> None:
    assert run("--version")[1] == f"smalti {__version__}\n"
    assert "convert" in run("--help")[1]
    assert run()[0] in {0, 2}
    _, out, _ = run("convert", "--help")
    for flag in (
        "--from",
        "--to",
        "--task",
        "--media",
        "--on-loss",
        "--on-error",
        "--overwrite",
        "--dry-run",
        "--json",
    ):
        assert flag in out


def test_process__is_the_installed_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "smalti", "convert", STREET, tmp_path / "out.parquet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nothing was lost" in done.stdout


def test_process__interrupted_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import time, smalti.cli\n"
        "from smalti.formats.yolo.write import YoloWriter\n"
        "finish = YoloWriter.finish\n"
        "def slow(*given):\n print('writing', flush=True)\n time.sleep(60)\n"
        "YoloWriter.finish = slow\n"
        "smalti.cli.main()\n"
    )
    words = ["convert", str(STREET), str(tmp_path / "out"), "--to", "yolo", "--task", "detect"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        start = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode not in {0, None}
    assert time.monotonic() - start < 30
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader

import smalti as sm
from smalti.training import order

HERE = Path(__file__).parent
COUNT = 1500


def numbered(count: int = COUNT) -> sm.Dataset:
    return sm.Dataset.from_samples(
        {"id": f"{n}.jpg", "image": {"width": 9, "height": 9}, "objects": [{"category": "cat", "bbox": [n, 0, 2, 2]}]}
        for n in range(count)
    )  # fmt: skip


@pytest.fixture(scope="session")
def memory() -> sm.Dataset:
    return numbered()


@pytest.fixture(scope="session")
def files(memory: sm.Dataset, tmp_path_factory: pytest.TempPathFactory) -> sm.Dataset:
    folder = tmp_path_factory.mktemp("parquet")
    for number, start in enumerate(range(0, COUNT, 700)):
        pq.write_table(
            memory[start : start + 700].to_arrow(), folder / f"{number}.parquet", row_group_size=130
        )
    return sm.Dataset.scan(folder)


def ids(batches: Any) -> list[int]:
    return [target["image_id"].item() for _, targets in batches for target in targets]


def loader(stream: Any, **options: Any) -> Any:
    return DataLoader(stream, batch_size=16, collate_fn=sm.torch.collate, **options)


def stateful(stream: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchdata itself calls what PyTorch deprecates
        from torchdata.stateful_dataloader import StatefulDataLoader

        return StatefulDataLoader(stream, batch_size=16, collate_fn=sm.torch.collate, **options)


def test_shards__are_pieces_of_the_dataset(memory: sm.Dataset, files: sm.Dataset) -> None:
    for ds in (memory, files, files.filter(sm.col("id") != "7.jpg")):
        shards = ds.shards(rows=200)
        assert sum(map(len, shards)) == len(ds)
        assert [s.id for shard in shards for s in shard] == [s.id for s in ds]
    assert len(memory.shards(rows=200)) == 8
    assert [len(shard) for shard in files.shards()] == [130] * 5 + [50] + [130] * 5 + [50, 100]


@pytest.mark.parametrize("source", ["memory", "files"])
def test_epoch__has_each_sample_once_with_its_own_labels(source: str, request: pytest.FixtureRequest) -> None:
    stream = request.getfixturevalue(source).to_torch_stream(decode=None, buffer=300)
    seen = list(stream)
    assert sorted(target["image_id"].item() for target in seen) == list(range(COUNT))
    assert all(target["boxes"][0, 0] == target["image_id"] for target in seen)
    assert stream.samples == COUNT


def test_epoch__order_is_a_function_of_seed_and_epoch(files: sm.Dataset) -> None:
    def first(seed: int, epoch: int) -> list[int]:
        stream = files.to_torch_stream(decode=None, buffer=300, seed=seed)
        stream.set_epoch(epoch)
        return ids(loader(stream))

    assert first(0, 0) == first(0, 0)
    assert len({tuple(first(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
    plain = ids(loader(files.to_torch_stream(decode=None, shuffle=False, buffer=77)))
    assert plain == list(range(COUNT))


def test_shuffle__moves_samples_far(files: sm.Dataset) -> None:
    seen = np.array(ids(loader(files.to_torch_stream(decode=None, buffer=500))))
    assert abs(np.corrcoef(seen, np.arange(COUNT))[0, 1]) < 0.5
    assert (np.abs(np.diff(seen)) == 1).mean() < 0.05


@pytest.mark.parametrize(("context", "workers"), [("fork", 1), ("fork", 3), ("spawn", 2)])
@pytest.mark.filterwarnings(
    "ignore:This DataLoader will create:UserWarning"
)  # more workers than cores: on purpose
def test_workers__share_an_epoch(files: sm.Dataset, context: str, workers: int) -> None:
    stream = files.filter(sm.col("id") != "7.jpg").to_torch_stream(decode=None, buffer=200)
    batches = loader(stream, num_workers=workers, multiprocessing_context=context, persistent_workers=True)
    epochs = []
    for epoch in range(2):
        stream.set_epoch(epoch)
        epochs.append(ids(batches))
        assert sorted(epochs[-1]) == list(range(COUNT - 1))
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize(("context", "workers"), [(None, 0), ("fork", 2), ("spawn", 1)])
def test_resume__goes_on_exactly(files: sm.Dataset, context: str | None, workers: int) -> None:
    def make() -> Any:
        stream = files.to_torch_stream(decode=None, buffer=200, seed=3)
        stream.set_epoch(2)
        return stateful(stream, num_workers=workers, multiprocessing_context=context)

    batches, seen = make(), []
    for number, (_, targets) in enumerate(batches):
        seen.append([target["image_id"].item() for target in targets])
        if number == 40:
            state = batches.state_dict()
    again = make()
    again.load_state_dict(state)
    assert ids(again) == [number for batch in seen[41:] for number in batch]


def test_resume__without_a_loader(memory: sm.Dataset) -> None:
    stream = memory.to_torch_stream(decode=None, buffer=100)
    items = iter(stream)
    for _ in range(333):
        next(items)
    state = stream.state_dict()
    rest = [target["image_id"].item() for target in items]
    again = memory.to_torch_stream(decode=None, buffer=100)
    again.load_state_dict(state)
    assert [target["image_id"].item() for target in again] == rest
    assert len(list(again)) == COUNT  # the next epoch is whole
    other = memory.to_torch_stream(decode=None, buffer=100, seed=1)
    with pytest.raises(sm.errors.OptionError, match="the state has seed 0, now it is 1"):
        other.load_state_dict(state)


@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_ranks__differ_by_one_sample_at_most(memory: sm.Dataset, ranks: int) -> None:
    parts = [
        [t["image_id"].item() for t in memory.to_torch_stream(decode=None, rank=rank, world_size=ranks)]
        for rank in range(ranks)
    ]
    assert sorted(number for part in parts for number in part) == list(range(COUNT))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(("ranks", "workers", "context"), [(2, 0, "fork"), (2, 3, "spawn"), (4, 1, "fork")])
def test_process_group__gives_each_sample_once(
    files: sm.Dataset, tmp_path: Path, ranks: int, workers: int, context: str
) -> None:
    source = tmp_path / "all.parquet"
    files.write(source)
    arguments = [str(source), str(tmp_path), str(ranks), str(workers), context]
    processes = [
        subprocess.Popen([sys.executable, "-W", "ignore", HERE / "rank.py", str(rank), *arguments], stderr=subprocess.PIPE, text=True)
        for rank in range(ranks)
    ]  # fmt: skip
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    parts = [np.loadtxt(tmp_path / f"{rank}.txt", dtype=int) for rank in range(ranks)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(COUNT))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_unannotated__are_an_error_or_left_out(memory: sm.Dataset) -> None:
    more = memory.take(range(10)).concat(sm.Dataset.from_samples([{"id": "x", "objects": None}]))
    with pytest.raises(sm.errors.SchemaError, match="samples are not annotated, such as 'x'"):
        list(more.to_torch_stream(decode=None))
    assert len(list(more.to_torch_stream(decode=None, missing="drop"))) == 10


def test_broken_images__are_skipped_and_counted(small: sm.Dataset, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no picture")
    with pytest.raises(sm.errors.DataError, match=r"1\.png.*cannot be read as a picture"):
        list(small.to_torch_stream())
    stream = small.to_torch_stream(on_error="skip")
    assert sorted(ids(loader(stream, num_workers=2))) == [0, 2]
    assert stream.skipped.item() == 1


def test_options__faulty_ones_are_told_at_once(memory: sm.Dataset) -> None:
    with pytest.raises(sm.errors.OptionError, match="buffer is at least 1"):
        memory.to_torch_stream(buffer=0)
    with pytest.raises(sm.errors.OptionError, match="rank and world_size go together"):
        memory.to_torch_stream(rank=0)
    with pytest.raises(sm.errors.OptionError, match="there is no column 'weather'"):
        memory.to_torch_stream(columns=["weather"])
    assert list(sm.Dataset.from_samples([]).to_torch_stream(decode=None)) == []


def test_windows__can_be_entered_anywhere() -> None:
    counts = np.array([5, 0, 3, 9], np.int64)
    shards = np.array([3, 0, 1, 2])

    def rows(position: int) -> list[tuple[int, int]]:
        found = []
        for window in order.windows(counts, shards, (2, 16), 4, position, (0, 1, 2)):
            flat = [(shard, row) for shard, start, stop in window.pieces for row in range(start, stop)]
            found += [flat[place] for place in window.order[window.done :]]
        return found

    whole = rows(0)
    assert len(set(whole)) == 14
    assert all(rows(position) == whole[position:] for position in range(15))


def test_pickle__sends_a_path_and_not_the_rows(files: sm.Dataset) -> None:
    from multiprocessing.reduction import ForkingPickler

    assert len(ForkingPickler.dumps(files.to_torch_stream(decode=None))) < 20_000
    stream = numbered(20_000).to_torch_stream(decode=None)
    assert len(ForkingPickler.dumps(stream)) < 20_000
    assert torch.equal(next(iter(stream))["labels"], torch.tensor([0]))

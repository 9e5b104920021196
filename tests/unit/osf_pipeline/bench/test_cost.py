import numpy as np
import pytest

from osf_pipeline.bench import cost as room
from osf_pipeline.bench.cost import Cost, cost
from osf_pipeline.layout import Layout


@pytest.mark.skipif(not room.CLEAR.exists(), reason="memory is measured on Linux only")
def test_memory_counts_from_now_on():
    room._resident()
    before = np.ones(64 << 17)  # 64 MiB that are gone again
    del before
    loaded, small = room._resident(), np.ones(16 << 17)
    assert 15 < room._peak() - loaded < 48
    assert small[0] == 1


def test_a_cost_is_measured_once(tmp_path, monkeypatch, number):
    class Pool:
        def __init__(self, *given, **named): ...

        def __enter__(self):
            return self

        def __exit__(self, *given): ...

        def submit(self, work, *given):
            measured.append(given)
            return self

        def result(self):
            return Cost(1.0, 2, 64, 0.1, 0.2, None)

    measured = []
    monkeypatch.setattr(room, "ProcessPoolExecutor", Pool)
    layout, cache = Layout.of(str(tmp_path)), str(tmp_path / "cache")
    assert [cost(layout, cache, number(), 64, 1) for _ in range(2)] == [Cost(1.0, 2, 64, 0.1, 0.2, None)] * 2
    assert len(measured) == 2  # made ready, then measured
    cost(layout, cache, number(), 128, 1)
    cost(layout, cache, number(scale=2), 64, 1)
    assert len(measured) == 6

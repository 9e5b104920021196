"""Leases are judged by the store's clock, taken by one contender, and die with their process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from osf_pipeline.layout import join
from osf_pipeline.store import claim
from osf_pipeline.store.claim import LEASES, hold
from osf_pipeline.store.files import names, read_json, write_json


class Skewed(MemoryFileSystem):
    """An object store in memory whose clock is not this machine's, and moves only by hand."""

    protocol = "skewed"
    now = datetime(2026, 1, 1)  # noqa: DTZ001
    written: dict[str, datetime] = {}  # noqa: RUF012

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        super().pipe_file(path, value, mode=mode, **kwargs)
        Skewed.written[self._strip_protocol(path)] = Skewed.now

    def modified(self, path: str) -> datetime:
        return Skewed.written[self._strip_protocol(path)]


class Clock:
    """This machine's steady clock, beside which the store's goes at the same pace."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.others: list[tuple[float, Any]] = []

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        Skewed.now += timedelta(seconds=seconds)
        for at, act in list(self.others):
            if self.seconds >= at:
                self.others.remove((at, act))
                act()


@pytest.fixture(params=[-7, 0, 7], ids=lambda hours: f"store {hours} h off")
def attempt(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An attempt in a store whose clock is hours from this machine's."""
    fsspec.register_implementation("skewed", Skewed, clobber=True)
    Skewed.now = datetime.now() + timedelta(hours=request.param)  # noqa: DTZ005
    return f"skewed://{tmp_path.name}/attempts/a"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(claim, "time", found)
    return found


def left_behind(attempt: str) -> str:
    """The lease of a builder that died just now."""
    lease = join(attempt, LEASES, "0.json")
    write_json(lease, {"builder": "elsewhere:1", "token": "x"})
    return lease


def test_when_nobody_holds_an_attempt_then_it_is_held_at_once(attempt: str, clock: Clock) -> None:
    held = hold(attempt)
    assert held is not None
    assert clock.seconds == 0


def test_when_a_lease_is_renewed_then_its_holder_is_alive(attempt: str, clock: Clock) -> None:
    lease = left_behind(attempt)
    clock.others.append((5, lambda: write_json(lease, {"builder": "elsewhere:1", "token": "x", "beat": 1})))
    assert hold(attempt) is None
    assert clock.seconds == 5, "seen as soon as it happens"


def test_when_a_lease_is_not_renewed_then_it_is_taken_over_when_it_expires(attempt: str, clock: Clock) -> None:
    left_behind(attempt)
    Skewed.now += timedelta(seconds=20)
    assert hold(attempt) is not None
    assert clock.seconds == pytest.approx(claim.LEASE_SECONDS - 20, abs=claim.WATCH_SECONDS)
    assert names(join(attempt, LEASES)) == ["0.json", "1.json"], "no probe of the store's clock is left"


def test_when_a_lease_is_old_by_the_stores_clock_then_it_is_taken_over_at_once(attempt: str, clock: Clock) -> None:
    left_behind(attempt)
    Skewed.now += timedelta(seconds=claim.LEASE_SECONDS)
    assert hold(attempt) is not None
    assert clock.seconds == 0


def test_when_a_builder_ends_then_the_next_one_need_not_wait(attempt: str, clock: Clock) -> None:
    for number in range(3):
        held = hold(attempt)
        assert held is not None
        with held:
            assert (read_json(join(attempt, LEASES, f"{number}.json")) or {})["builder"] == claim.builder()
    assert clock.seconds == 0
    assert names(join(attempt, LEASES)) == ["0.json", "1.json", "2.json"]


def test_when_another_contender_was_faster_then_the_claim_is_lost(
    attempt: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(attempt)
    Skewed.now += timedelta(seconds=claim.LEASE_SECONDS)
    alive = claim._alive

    def overtaken(lease: str) -> bool:
        found = alive(lease)
        write_json(join(attempt, LEASES, "1.json"), {"builder": "faster:1", "token": "y"})
        return found

    monkeypatch.setattr(claim, "_alive", overtaken)
    assert hold(attempt) is None
    assert (read_json(join(attempt, LEASES, "1.json")) or {})["builder"] == "faster:1"


def test_a_held_lease_is_renewed_while_the_builder_works(attempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "RENEW_SECONDS", 0.01)
    beats, enough = [], threading.Event()

    def record(url: str, data: dict[str, Any]) -> None:
        beats.append(data.get("beat"))
        if len(beats) == 2:
            raise OSError("one renewal fails")
        if len(beats) == 4:
            enough.set()

    monkeypatch.setattr(claim, "write_json", record)
    held = hold(attempt)
    assert held is not None
    with held:
        assert enough.wait(20), "a long shard must not let the lease expire"
    assert beats[:4] == [1, 2, 3, 4]
    assert beats[-1] is None, "the last word releases it"


def test_a_local_claim_ends_with_its_process(tmp_path: Path) -> None:
    holder = textwrap.dedent(f"""
        import sys
        from osf_pipeline.store.claim import hold
        with hold({str(tmp_path)!r}):
            print("held", flush=True)
            sys.stdin.read()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert hold(str(tmp_path)) is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    held = hold(str(tmp_path))
    assert held is not None
    with held:
        pass

"""Damaged EXR files against the reader: every one decodes or is refused with an error of the project's own.

    python benchmarks/fuzz_exr.py [--count 10000] [--seed 1] [--corpus DIR]

Each mutation is a function of seed and index alone, so `--first INDEX --count 1` repeats one (`--save FILE` keeps it).
A worker process under a memory limit reads them. It notes the index in a shared file before each, so a crash or a hang
is seen by this process, named, and the worker started again behind it. Exit code 1 when anything but a decoded image or
an `InputDataError` came out.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import random
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import OpenEXR
from common import finish

from osf_pipeline.errors import InputDataError
from osf_pipeline.exr.chunks import CODECS, leader_bytes
from osf_pipeline.exr.header import Header, parse_header
from osf_pipeline.exr.read import read_exr

CORPUS_FILE_BYTES = 1 << 19
STRETCH = 20_000
FRAGILE_WEIGHT = 0.02
FAULTY = 7
FAULTS: dict[str, Callable[[], object]] = {
    "crash": os.abort,
    "hang": lambda: time.sleep(3600),
    "error": lambda: {}["x"],
}
"""What `--fault` does in the place of mutation 7."""
EDGES = (
    0,
    1,
    2,
    3,
    7,
    15,
    16,
    17,
    31,
    32,
    33,
    127,
    128,
    255,
    256,
    65535,
    65536,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
)
"""Numbers at which sizes and counts go wrong."""


def _encode(parts: list[OpenEXR.Part]) -> bytes:
    buffer = io.BytesIO()
    with OpenEXR.File(parts) as file:
        file.write(buffer)
    return buffer.getvalue()


def _part(width: int, height: int, name: str = "", subsample: bool = False, **header: Any) -> OpenEXR.Part:
    rng = np.random.default_rng(width * height)
    y, x = np.mgrid[:height, :width] / 16
    smooth, noise = (np.sin(x) * np.cos(y)).astype(np.float16), rng.random((height, width), np.float32)
    header = {"type": OpenEXR.scanlineimage, "Frame": "12", "worldToCamera": np.eye(4, dtype=np.float32), **header}
    if subsample:
        # The library's writer wants every array at full size and reads a subsampled one from its start.
        chroma = np.zeros_like(smooth)
        chroma.ravel()[: smooth[::2, ::2].size] = smooth[::2, ::2].ravel()
        both = {name: OpenEXR.Channel(name, chroma, 2, 2) for name in ("BY", "RY")}
        return OpenEXR.Part(header, {**both, "Y": OpenEXR.Channel("Y", abs(smooth), 1, 1)}, name=name)
    channels = {"A": np.round(smooth), "B": smooth, "G": smooth * 2, "R": smooth + 1, "Z": noise}
    channels["id"] = (noise * 9).astype(np.uint32)
    return OpenEXR.Part(header, {k: np.ascontiguousarray(v) for k, v in channels.items()}, name=name)


def seeds(corpus: Path | None) -> dict[str, bytes]:
    """Small sound files: every codec, tiled, all level modes, several parts, subsampled; and those of `corpus`."""
    found = {c.name: _encode([_part(24, 40, compression=getattr(OpenEXR, f"{c.name}_COMPRESSION"))]) for c in CODECS}
    for mode in ("ONE_LEVEL", "MIPMAP_LEVELS", "RIPMAP_LEVELS"):
        tiles = OpenEXR.TileDescription()
        tiles.xSize, tiles.ySize = 16, 8
        tiles.mode, tiles.roundingMode = getattr(OpenEXR, mode), OpenEXR.ROUND_UP
        for codec in ("PIZ", "DWAA", "NO"):
            wanted = {
                "type": OpenEXR.tiledimage,
                "tiles": tiles,
                "compression": getattr(OpenEXR, f"{codec}_COMPRESSION"),
            }
            try:
                found[f"tiled {mode} {codec}"] = _encode([_part(24, 20, **wanted)])
            except RuntimeError:
                continue
    found["parts"] = _encode([_part(16, 20, "one"), _part(16, 20, "two", compression=OpenEXR.PIZ_COMPRESSION)])
    for codec in ("B44", "PIZ", "ZIP"):
        found[f"chroma {codec}"] = _encode(
            [_part(32, 36, subsample=True, compression=getattr(OpenEXR, f"{codec}_COMPRESSION"))]
        )
    for path in sorted(corpus.rglob("*")) if corpus else ():
        if path.is_file() and path.stat().st_size <= CORPUS_FILE_BYTES:
            found[path.name] = path.read_bytes()
    return found


class Mutator:
    """Mutations of sound files that know where header, tables, leaders and payloads lie."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.names = files, sorted(files)
        self.headers: dict[str, Header | None] = {}
        for name, data in files.items():
            try:
                self.headers[name] = parse_header(io.BytesIO(data), len(data), name)
            except InputDataError:
                self.headers[name] = None
        # Codecs that decode in a process of their own take a hundred times as long.
        fragile = {n for n, h in self.headers.items() if h and any(CODECS[p.grid.codec].fragile for p in h.parts)}
        self.weights = [FRAGILE_WEIGHT if name in fragile else 1 for name in self.names]
        self.steps: tuple[Callable[..., None], ...] = (
            self.bits, self.number, self.table, self.leader, self.length, self.splice, self.cut, *[self.payload] * 7,
        )  # fmt: skip

    def make(self, seed: int, index: int) -> tuple[str, bytes]:
        """Seed file and mutated bytes."""
        rng = random.Random(f"{seed}:{index}")
        (name,) = rng.choices(self.names, self.weights)
        data = bytearray(self.files[name])
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            rng.choice(self.steps)(rng, data, self.headers[name])
        return name, bytes(data)

    def _chunks(self, data: bytearray, header: Header | None) -> list[tuple[int, int, int]]:
        """Leader start, payload start and payload end of every chunk, as far as the data still says."""
        found, at = [], header.table_start if header else 0
        for part in header.parts if header else ():
            lead = leader_bytes(part.grid, header.multipart)
            for k in range(part.chunk_count):
                if at + 8 * k + 8 > len(data):
                    break
                (start,) = struct.unpack_from("<Q", data, at + 8 * k)
                if start + lead <= len(data):
                    (packed,) = struct.unpack_from("<I", data, start + lead - 4)
                    found.append((start, start + lead, min(len(data), start + lead + packed)))
            at += 8 * part.chunk_count
        return found

    def _write(self, rng: random.Random, data: bytearray, at: int) -> None:
        """An edge number, or a small step from what is there, as 1, 2, 4 or 8 bytes at a place."""
        size = rng.choice((1, 2, 4, 4, 4, 8))
        if 0 <= at <= len(data) - size:
            old = int.from_bytes(data[at : at + size], "little")
            new = rng.choice((rng.choice(EDGES), old + rng.randint(-8, 8), old * 2, rng.getrandbits(8 * size)))
            data[at : at + size] = (new % (1 << (8 * size))).to_bytes(size, "little")

    def bits(self, rng: random.Random, data: bytearray, header: Header | None) -> None:
        end = header.table_start if header and rng.random() < 0.7 else len(data)
        for _ in range(rng.randint(1, 4)):
            if data:
                data[rng.randrange(min(end, len(data)))] ^= 1 << rng.randrange(8)

    def number(self, rng: random.Random, data: bytearray, header: Header | None) -> None:
        end = min(header.table_start if header else 400, len(data))
        self._write(rng, data, rng.randrange(max(1, end)))

    def length(self, rng: random.Random, data: bytearray, header: Header | None) -> None:
        """The length, or the first value, of an attribute; a version flag."""
        if header is None or rng.random() < 0.1:
            return self._write(rng, data, 4)
        name, (kind, _) = rng.choice(list(rng.choice(header.parts).raw_attributes.items()))
        at = data.find(b"\0".join([name.encode(), kind.encode(), b""]))
        if at >= 0:
            self._write(rng, data, at + len(name.encode()) + len(kind.encode()) + 2 + rng.choice((0, 4, 8, 12, 16)))
        return None

    def table(self, rng: random.Random, data: bytearray, header: Header | None) -> None:
        if chunks := self._chunks(data, header):
            at = header.table_start + 8 * rng.randrange(len(chunks))  # type: ignore[union-attr]
            new = rng.choice(
                (rng.choice(chunks)[0], rng.randrange(len(data) + 64), 0, rng.choice(EDGES) << rng.choice((0, 32)))
            )
            struct.pack_into("<Q", data, at, new)

    def leader(self, rng: random.Random, data: bytearray, header: Header | None) -> None:
        if chunks := self._chunks(data, header):
            start, payload, _ = rng.choice(chunks)
            self._write(rng, data, rng.randrange(start, payload, 4))

    def payload(self, rng: random.Random, data: bytearray, header: Header | None) -> None:
        chunks = [c for c in self._chunks(data, header) if c[2] > c[1]]
        if not chunks:
            return self.bits(rng, data, None)
        _, start, end = rng.choice(chunks)
        how = rng.randrange(5)
        if how == 0:  # the numbers at its start
            self._write(rng, data, start + rng.randrange(0, min(96, end - start)))
        elif how == 1:
            for _ in range(rng.choice((1, 4, 32))):
                data[rng.randrange(start, end)] = rng.randrange(256)
        elif how == 2:
            at = rng.randrange(start, end)
            data[at:end] = bytes([rng.choice((0, 255, 128, rng.randrange(256)))]) * (end - at)
        elif how == 3:  # another chunk's contents
            _, a, b = rng.choice(chunks)
            piece = bytes(data[a:b])[: end - start]
            data[start : start + len(piece)] = piece
        else:
            at, count = rng.randrange(start, end), rng.randint(1, 16)
            data[at:end] = (bytes(rng.randrange(256) for _ in range(count)) + bytes(data[at:end]))[: end - at]
        return None

    def splice(self, rng: random.Random, data: bytearray, header: Header | None) -> None:
        other = self.files[rng.choice(self.names)]
        at, source, count = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1), rng.randint(1, 512)
        data[at : at + rng.choice((0, count))] = other[source : source + count]

    def cut(self, rng: random.Random, data: bytearray, header: Header | None) -> None:
        if rng.random() < 0.5:
            del data[rng.randrange(len(data) + 1) :]
        else:
            at = rng.randrange(len(data) + 1)
            del data[at : at + rng.randint(1, 64)]


def _work(arguments: argparse.Namespace, start: int, end: int, progress: str, log: str, answer: Connection) -> None:
    """Read mutations `start` to `end`; send counts, slowest and peak memory at the end."""
    resource.setrlimit(resource.RLIMIT_AS, (int(arguments.memory_gib * 2**30),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The library prints a line for nearly every damaged file.
    written = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(written, 1)
    os.dup2(written, 2)
    mutator = Mutator(seeds(arguments.corpus))
    memory = fsspec.filesystem("memory")
    counts: Counter[str] = Counter()
    others: list[str] = []
    slowest = (0.0, -1)
    with open(progress, "r+b", buffering=0) as note:
        for index in range(start, end):
            name, data = mutator.make(arguments.seed, index)
            os.pwrite(note.fileno(), struct.pack("<q", index), 0)
            memory.pipe_file("/fuzz.exr", data)
            begin = time.perf_counter()
            try:
                if index == FAULTY and arguments.fault:
                    FAULTS[arguments.fault]()
                read_exr("memory://fuzz.exr")
                counts["decoded"] += 1
            except InputDataError as error:
                counts[f"refused: {error.where.get('rule')}"] += 1
                if not error.fix or "file" not in error.where:
                    others.append(
                        f"--seed {arguments.seed} --first {index} ({name}): an error without file or fix: {error}"
                    )
            except Exception as error:
                others.append(f"--seed {arguments.seed} --first {index} ({name}): {type(error).__name__}: {error}")
            slowest = max(slowest, (time.perf_counter() - begin, index))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer.send((counts, others, slowest, peak))


@dataclass
class Tally:
    """What came out of some mutations."""

    counts: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)
    peak_kib: int = 0


def _supervise(arguments: argparse.Namespace, start: int, end: int, folder: Path, tally: Tally) -> int:
    """Have a worker read mutations `start` to `end`; returns where to go on, which is sooner when it dies."""
    progress, log = folder / "progress", folder / "log"
    progress.write_bytes(struct.pack("<q", start - 1))
    log.write_bytes(b"")
    ours, theirs = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=_work, args=(arguments, start, end, str(progress), str(log), theirs))
    worker.start()
    theirs.close()
    seen, since, hangs = start - 1, time.monotonic(), False
    while worker.is_alive() and not ours.poll(0.1):
        (now,) = struct.unpack("<q", progress.read_bytes())
        if now != seen:
            seen, since = now, time.monotonic()
        elif now >= start and time.monotonic() - since > arguments.patience_s:
            worker.kill()
            hangs = True
    try:
        counts, others, slowest, peak = ours.recv()
    except EOFError:
        worker.join()
        (now,) = struct.unpack("<q", progress.read_bytes())
        said = log.read_text(errors="replace")[-2000:].strip()
        if now < start:
            raise RuntimeError(f"the worker does not start: {said}") from None
        case = f"--seed {arguments.seed} --first {now}"
        if hangs:
            tally.hangs.append(case)
        else:
            tally.crashes.append(f"{case}: exit {worker.exitcode}, {' '.join(said.split())[-200:]}")
        return int(now) + 1
    worker.join()
    tally.counts += counts
    tally.others += others
    tally.slowest, tally.peak_kib = max(tally.slowest, slowest), max(tally.peak_kib, peak)
    return end


def fuzz(arguments: argparse.Namespace) -> Tally:
    tally, last = Tally(), arguments.first + arguments.count
    with tempfile.TemporaryDirectory() as folder:
        start = arguments.first
        while start < last:
            # A worker that dies takes its counts along, so it gets a stretch at a time.
            start = _supervise(arguments, start, min(last, start + STRETCH), Path(folder), tally)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="index of the first mutation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="folder of further files to start from")
    parser.add_argument("--memory-gib", type=float, default=3, help="address space of the worker")
    parser.add_argument("--patience-s", type=float, default=20, help="seconds on one mutation that count as a hang")
    parser.add_argument("--fault", choices=FAULTS, help="fail on purpose, to see that failures are seen")
    parser.add_argument("--save", type=Path, help="write the first mutation here and stop")
    arguments = parser.parse_args()
    if arguments.save:
        name, data = Mutator(seeds(arguments.corpus)).make(arguments.seed, arguments.first)
        arguments.save.write_bytes(data)
        print(f"made from {name}")
        return
    tally = fuzz(arguments)
    for kind, count in tally.counts.most_common():
        print(f"{kind:<34} {count}")
    seconds, index = tally.slowest
    print(f"slowest {seconds * 1e3:.0f} ms (--first {index}), peak memory {tally.peak_kib >> 10} MiB")
    for title, cases in (("crash", tally.crashes), ("hang", tally.hangs), ("other error", tally.others)):
        for case in cases[:20]:
            print(f"{title}: {case}")
    finish(
        mutations=arguments.count,
        crashes=len(tally.crashes),
        hangs=len(tally.hangs),
        other_errors=len(tally.others),
        refused=sum(n for kind, n in tally.counts.items() if kind != "decoded"),
        decoded=tally.counts["decoded"],
        slowest_ms=seconds * 1e3,
        peak_mib=tally.peak_kib >> 10,
    )
    sys.exit(bool(tally.crashes or tally.hangs or tally.others))


if __name__ == "__main__":
    main()

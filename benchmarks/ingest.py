"""EXR to validated, checksummed Zarr, against the OpenEXR decoder alone on the same files and threads.

    python benchmarks/ingest.py [--quick]

Files: the sample figure by the built-in renderer, every canonical buffer, ZIP. Both sides read from the page cache and
are warmed up by one run. `decoder_fraction` is decoder time / ingest time. `proof_fraction` is the part of ingest that
goes into checksums and publishing: hashing sources, hashing stored shards and reading them back, commits, syncing and
the published record, each done once more by itself.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import OpenEXR
from common import finish, line, seconds

from osf_pipeline.execution import Execution
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout, join
from osf_pipeline.render.sequence import RayCastRenderer, write_shot
from osf_pipeline.sample.make import SampleRequest, sample_scene, shot_config
from osf_pipeline.shots import FrameRange
from osf_pipeline.store.files import read_json, sync, take, write_json
from osf_pipeline.store.schema import shard_key
from osf_pipeline.store.version import current

THREADS = 2


def decode(path: Path) -> int:
    with OpenEXR.File(str(path), separate_channels=True) as image:
        return sum(channel.pixels.nbytes for channel in image.channels().values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller pictures, fewer frames")
    quick = parser.parse_args().quick
    width, height, count, repeats = (640, 360, 48, 3) if quick else (1920, 1080, 48, 5)
    frames = FrameRange.of(range(1001, 1001 + count))
    request = SampleRequest(frames=str(frames), width=width, height=height)
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout.of(folder)
        renderer = RayCastRenderer(width, height, supersample=1)
        config = shot_config(request, frames)
        renderer.render(sample_scene(request, frames), frames, layout.renders("figure"), config)
        write_shot(layout.renders("figure"), config)
        files = sorted(Path(layout.renders("figure")).glob("*.exr"))
        runs = iter(range(repeats + 1))

        def decoder() -> None:
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(decode, files))

        def ingest() -> None:
            # A store of its own for every run: a second run of the same request does no work.
            home = Layout.of(folder, f"{folder}/home")
            (Path(folder) / "stores").mkdir(exist_ok=True)
            (Path(folder) / "stores").rename(Path(folder) / f"done{next(runs)}")
            ingest_shot(home, "figure", Execution(threads=THREADS))

        decoder()
        ingest()

        def prove() -> None:
            version = current(layout.store("figure", "gbuffer"))
            assert version is not None
            shards = [
                join(version.data_url, shard_key(n, int(i))) for i, s in version.record["shards"].items() for n in s
            ]
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(lambda path: hashlib.sha256(path.read_bytes()).digest(), files))
                list(pool.map(lambda url: hashlib.sha256(take(url)).digest(), shards))
            scratch = join(folder, "proof")
            for index in version.record["shards"]:
                write_json(
                    join(scratch, f"{index}.json"), read_json(join(version.url, "commits", f"{index}.json")) or {}
                )
            sync(shards)
            write_json(join(scratch, "record.json"), version.record)

        megabytes = sum(map(decode, files)) / 1e6
        size = f"{count} frames {width}x{height}, {megabytes:.0f} MB of pixels, {THREADS} threads"
        alone = line("decoder alone (baseline)", seconds(decoder, repeats), size)
        whole = line("ingest", seconds(ingest, repeats), f"{count / 1:.0f} frames")
        proof = line("checksums and publishing, again", seconds(prove, repeats), f"{len(files)} files")
    print(f"{count / alone:.1f} frames/s decoded, {count / whole:.1f} frames/s ingested; ratio {alone / whole:.2f}")
    finish(
        decoder_fraction=alone / whole,
        proof_fraction=proof / whole,
        ingest_fps=count / whole,
        decoder_fps=count / alone,
        threads=THREADS,
    )


if __name__ == "__main__":
    main()

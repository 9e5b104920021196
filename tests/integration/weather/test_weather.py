"""Object stores that fail now and then, and object stores that fail for good."""

from __future__ import annotations

import threading

import fsspec
import pytest
from proxy import TRANSIENT, Weather, calm, showers
from small_shot import SHOT, Calm, new_clients, run_all, shards

from osf_pipeline.errors import InterruptedRunError, RequestError
from osf_pipeline.ingest.stage import ingest_shot
from osf_pipeline.layout import Layout, join
from osf_pipeline.store.claim import LEASES, hold
from osf_pipeline.store.files import create_json, names, read_json, write_json
from osf_pipeline.store.version import current, published

pytestmark = pytest.mark.integration


def test_transient_faults_leave_no_trace(sky: Weather, remote: Layout, undisturbed: Calm) -> None:
    sky.plan = showers(seed=1, rate=0.1)
    run_all(remote)
    assert set(sky.met) == set(TRANSIENT), "a kind of fault was never met"
    assert sum(sky.met.values()) > 40
    sky.plan = calm
    assert shards(remote) == undisturbed.shards
    for kind in undisturbed.shards:
        assert len(published(remote.store(SHOT, kind))) == 1


@pytest.mark.parametrize("kind", ["503", "close", "truncate"])
def test_an_outage_ends_in_a_clear_error_and_the_next_run_continues(
    kind: str, sky: Weather, remote: Layout, undisturbed: Calm, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_clients(monkeypatch, AWS_MAX_ATTEMPTS="2")
    store = remote.store(SHOT, "gbuffer")

    def from_the_second_shard_on(method: str, path: str) -> str | None:
        down = any("/commits/0.json" in done for verb, done in sky.requests if verb == "PUT")
        return kind if down and (kind != "truncate" or method == "GET") else None

    sky.plan = from_the_second_shard_on
    with pytest.raises(InterruptedRunError) as caught:
        ingest_shot(remote, SHOT)
    assert caught.value.where["url"].startswith(remote.root)
    assert caught.value.where["operation"] in ("get_object", "put_object", "head_object", "list_objects_v2")
    assert "Run the same command again" in str(caught.value)

    sky.plan = calm
    assert current(store) is None
    assert published(store) == []
    assert len(attempts_of(store)) == 1
    before = len(sky.requests)
    with pytest.MonkeyPatch.context() as patch:  # the outage kept the first run from releasing its lease
        patch.setattr("osf_pipeline.store.claim.LEASE_SECONDS", 0.0)
        ingest_shot(remote, SHOT)
    written = [path for method, path in sky.requests[before:] if method == "PUT"]
    assert not any("/commits/0.json" in path for path in written), "the finished shard was written again"
    assert shards(remote)["gbuffer"] == undisturbed.shards["gbuffer"]


def attempts_of(store: str) -> list[str]:
    return [join(store, "attempts", name) for name in names(join(store, "attempts"), "directory")]


@pytest.mark.parametrize("kind", ["500", "close", "truncate"])
def test_a_request_is_repeated_a_limited_number_of_times(
    kind: str, sky: Weather, remote: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_clients(monkeypatch, AWS_MAX_ATTEMPTS="3")
    sky.plan = lambda method, path: kind
    before = len(sky.requests)
    with pytest.raises(InterruptedRunError, match="get_object"):
        fsspec.core.url_to_fs(remote.root)[0].cat_file(join(remote.renders(SHOT), "shot.yaml"))
    made = len(sky.requests) - before
    assert made == (6 if kind == "close" else 3), "aiohttp itself repeats a GET once on a kept connection"


def test_a_refusal_is_an_error_of_the_request(sky: Weather, remote: Layout) -> None:
    sky.plan = lambda method, path: "403"
    with pytest.raises(RequestError, match="AWS_PROFILE") as caught:
        ingest_shot(remote, SHOT)
    assert caught.value.where["url"].startswith(remote.root)


def test_missing_credentials_are_named(sky: Weather, remote: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    new_clients(monkeypatch, AWS_EC2_METADATA_DISABLED="true", AWS_SHARED_CREDENTIALS_FILE="/nonexistent")
    with pytest.raises(RequestError, match="NoCredentialsError"):
        ingest_shot(remote, SHOT)


def test_a_listing_in_small_pages_is_whole(sky: Weather, remote: Layout) -> None:
    fs, path = fsspec.core.url_to_fs(remote.renders(SHOT))
    whole = fs.ls(path, detail=False)
    sky.plan = lambda method, path: "pages"
    assert fs.ls(path, detail=False) == whole
    assert sky.met["pages"] >= len(whole) // 2


def test_a_listing_that_misses_the_newest_version_costs_work_but_no_bits(
    sky: Weather, remote: Layout, undisturbed: Calm
) -> None:
    ingest_shot(remote, SHOT)
    store = remote.store(SHOT, "gbuffer")
    first = current(store)
    assert first is not None
    fs, path = fsspec.core.url_to_fs(join(store, "requests"))
    fs.rm(path, recursive=True)  # or the listing would not be asked at all
    sky.plan = lambda method, path: "stale" if SHOT in path and "stores" in path else None
    ingest_shot(remote, SHOT)
    assert sky.met["stale"] > 0
    sky.plan = calm
    assert [version.record for version in published(store)] == [first.record]
    assert shards(remote)["gbuffer"] == undisturbed.shards["gbuffer"]


def test_shards_are_taken_over_within_the_store(sky: Weather, remote: Layout, undisturbed: Calm) -> None:
    ingest_shot(remote, SHOT)
    fs, path = fsspec.core.url_to_fs(join(remote.renders(SHOT), f"{SHOT}.1006.exr"))
    fs.pipe_file(path, fs.cat_file(path), Metadata={"rendered": "again"})
    sky.plan = showers(seed=4, rate=0.05)
    before = len(sky.requests)
    ingest_shot(remote, SHOT, rehash=True)
    sky.plan = calm
    shards_read = {path for method, path in sky.requests[before:] if method == "GET" and "/c/0/0/0/0" in path}
    assert shards(remote)["gbuffer"] == undisturbed.shards["gbuffer"]
    assert shards_read, "what was taken over is proven"
    commits = [
        read_json(join(attempt, "commits", "0.json")) or {} for attempt in attempts_of(remote.store(SHOT, "gbuffer"))
    ]
    assert sum("adopted_from" in commit for commit in commits) == 1


def test_an_exclusive_create_whose_answer_is_lost_is_won(sky: Weather, remote: Layout) -> None:
    url, faults = join(remote.root, "record.json"), ["lost"]
    sky.plan = lambda method, path: faults.pop() if method == "PUT" and faults else None
    assert create_json(url, {"id": "mine"})
    assert sky.met == {"lost": 1}
    assert not create_json(url, {"id": "theirs"})
    assert read_json(url) == {"id": "mine"}


def test_an_upload_in_parts_that_breaks_off_leaves_nothing(
    sky: Weather, remote: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_clients(monkeypatch, AWS_MAX_ATTEMPTS="2")
    fs, path = fsspec.core.url_to_fs(join(remote.root, "big"))
    data = bytes(range(256)) * (12 * 2**12)
    sky.plan = lambda method, path: "500" if "partNumber=2" in path else None
    with pytest.raises(InterruptedRunError, match="operation=upload_part"):
        fs.pipe_file(path, data, chunksize=5 * 2**20)
    assert not fs.exists(path)
    assert fs.call_s3("list_multipart_uploads", Bucket=path.split("/")[0]).get("Uploads", []) == []
    new_clients(monkeypatch, AWS_MAX_ATTEMPTS="8")
    fs, path = fsspec.core.url_to_fs(join(remote.root, "big"))
    sky.plan = showers(seed=2, rate=0.4, kinds=("500", "503", "close"))
    fs.pipe_file(path, data, chunksize=5 * 2**20)
    sky.plan = showers(seed=3, rate=0.4, kinds=("500", "close", "truncate"))
    assert fs.cat_file(path, chunksize=2**20, max_concurrency=4) == data, "pieces of a large object are repeated, too"
    assert sky.met["truncate"] > 0


def test_of_many_contenders_for_a_dead_builders_lease_one_gets_it(
    sky: Weather, remote: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = join(remote.root, "attempts", "a")
    write_json(join(attempt, LEASES, "0.json"), {"builder": "dead:1"})
    monkeypatch.setattr("osf_pipeline.store.claim.LEASE_SECONDS", 0.0)
    together, held = threading.Barrier(6), []

    def contend() -> None:
        together.wait()
        held.append(hold(attempt))

    threads = [threading.Thread(target=contend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(claim is not None for claim in held) == 1

"""Object stores in bad weather: time limits, retries, and the errors that end a run.

Belongs here: how requests to `s3://` URLs are made. Does not: what is stored (`store`), or other fsspec file systems,
which keep their own manners.

Credentials, region and endpoint come by the usual environment alone (AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL
...). A request is tried `ATTEMPTS` times (or AWS_MAX_ATTEMPTS) with exponential backoff and jitter.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
from typing import Any

from aiohttp import ClientPayloadError
from botocore.exceptions import BotoCoreError, ChecksumError, FlexibleChecksumError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError
from fsspec.asyn import sync_wrapper
from s3fs import S3FileSystem

from osf_pipeline.errors import InterruptedRunError, RequestError

ATTEMPTS = 8
LONGEST_WAIT = 20.0
"""Seconds, as in botocore's standard mode."""
BROKEN = (ClientPayloadError, ChecksumError, FlexibleChecksumError, ResponseParserError)
"""Answers that came, but not whole."""
AGAIN = ("ConditionalRequestConflict", "OperationAborted")
"""Refusals that mean "ask once more"."""


class ObjectStore(S3FileSystem):
    """S3 whose every request ends in a whole answer or in an error a user can act on.

    Nested retry loops would multiply, so each kind of fault has one: botocore's standard mode repeats requests that
    fail, this class repeats answers that break off, s3fs's own loop is off. All requests of s3fs, and of Zarr through
    it, pass through `_call_s3`.

    Raises:
        InterruptedRunError: when the store cannot be reached or keeps failing; running again continues.
        RequestError: when the store refuses (credentials, permissions, names).
    """

    retries = 1
    connect_timeout = 5
    read_timeout = 20

    def __init__(self, *args: Any, config_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self.attempts = int(os.environ.get("AWS_MAX_ATTEMPTS", ATTEMPTS))
        retries = {"mode": os.environ.get("AWS_RETRY_MODE", "standard"), "total_max_attempts": self.attempts}
        # Other processes write too, so a listing is worth nothing a moment later.
        kwargs.setdefault("use_listings_cache", False)
        super().__init__(*args, config_kwargs={"retries": retries, **(config_kwargs or {})}, **kwargs)

    async def _call_s3(self, method: str, *akwarglist: Any, **kwargs: Any) -> Any:
        """One request; the body of its answer is here whole when this returns."""
        for attempt in range(self.attempts):
            try:
                answer = await super()._call_s3(method, *akwarglist, **kwargs)
            except Exception as error:
                if not isinstance(error, BROKEN) and _code(error) not in AGAIN:
                    if (verdict := _verdict(error, method, kwargs)) is not error:
                        raise verdict from error
                    raise
                fault = error
            else:
                if "Body" not in answer:
                    return answer
                body = answer["Body"]
                try:
                    return answer | {"Body": _Body(await body.read())}
                except (*BROKEN, HTTPClientError, TimeoutError) as error:
                    fault = error
                finally:
                    body.close()
            await asyncio.sleep(random.uniform(0, min(2**attempt, LONGEST_WAIT)))
        raise _outage(fault, method, kwargs) from fault

    call_s3 = sync_wrapper(_call_s3)

    async def _cat_file(self, path: str, *args: Any, **kwargs: Any) -> Any:
        """A whole object by one request, without asking for its size first: most are small, and none is huge."""
        return await super()._cat_file(path, *args, **{"max_concurrency": 1, **kwargs})


class _Body:
    """A body that is here already, with the interface of a streamed one."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    async def read(self, amount: int | None = None) -> bytes:
        return self._stream.read(amount)

    def close(self) -> None:
        self._stream.close()


def _verdict(error: Exception, method: str, request: dict[str, Any]) -> Exception:
    """What a failed request is raised as: itself where callers tell it apart, else an error that says what to do."""
    status = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status is None:
        if isinstance(error, (NoConnectionError, HTTPClientError, TimeoutError)):
            return _outage(error, method, request)
        return _refusal(error, method, request) if isinstance(error, BotoCoreError) else error
    if status == 412 and "IfNoneMatch" in request:  # not every store says which condition failed
        return FileExistsError(_url(request))
    # An upload is unknown when its completion succeeded, but the answer was lost.
    if status >= 500 or status in (408, 429) or _code(error) == "NoSuchUpload":
        return _outage(error, method, request)
    if status in (404, 412, 416) or isinstance(error, FileExistsError):
        return error
    return _refusal(error, method, request)


def _outage(error: Exception, method: str, request: dict[str, Any]) -> InterruptedRunError:
    return InterruptedRunError(
        "the object store does not answer as it should", url=_url(request), operation=method, problem=_problem(error),
        fix="Run the same command again when it does: finished shards are kept.",
    )  # fmt: skip


def _refusal(error: Exception, method: str, request: dict[str, Any]) -> RequestError:
    return RequestError(
        "the object store refuses a request", url=_url(request), operation=method, problem=_problem(error),
        fix="Check the credentials (AWS_PROFILE or AWS_ACCESS_KEY_ID), their permissions, AWS_DEFAULT_REGION and "
        "AWS_ENDPOINT_URL.",
    )  # fmt: skip


def _problem(error: Exception) -> str:
    return _code(error) or f"{type(error).__name__}: {error}"


def _response(error: Exception) -> dict[str, Any]:
    """The store's answer behind an error that s3fs translated; empty when there was none."""
    found: dict[str, Any] = getattr(error.__cause__, "response", None) or {}
    return found


def _code(error: Exception) -> str:
    return str(_response(error).get("Error", {}).get("Code", ""))


def _url(request: dict[str, Any]) -> str:
    key = request.get("Key", request.get("Prefix", ""))
    return f"s3://{request.get('Bucket', '')}/{key}"

"""One page on this machine to set a drawing's joints by hand.

Belongs here: the page, what it shows, and the small server behind it. Does not: judging joints (`skeleton.findings`,
the same check as everywhere), estimating them (`estimate`), reading the drawing.

The server listens on 127.0.0.1 only. Its address holds a secret of its own for each run, so that other users and other
pages of the browser can neither read the drawing nor write the file; requests under another host name or from another
origin are refused (DNS rebinding, cross-site requests).
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib import resources
from socketserver import ThreadingTCPServer
from threading import Lock
from typing import Any

import numpy as np
import PIL.Image
from jinja2 import Environment, StrictUndefined, Template
from skimage import measure

from osf_pipeline.drawing import skeleton as joints_file
from osf_pipeline.drawing.estimate import estimate
from osf_pipeline.drawing.picture import Picture
from osf_pipeline.drawing.skeleton import Joint, JointFinding, Skeleton, findings
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.store.files import take

MAX_BODY = joints_file.MAX_BYTES
SECONDS = 20.0
"""A connection that stays silent for longer is closed."""

_TEMPLATE = {
    "root": (0.50, 0.60, None), "hip": (0.50, 0.60, "root"),
    "torso": (0.50, 0.38, "hip"), "neck": (0.50, 0.20, "torso"),
    "right_shoulder": (0.36, 0.38, "torso"), "left_shoulder": (0.64, 0.38, "torso"),
    "right_elbow": (0.22, 0.40, "right_shoulder"), "left_elbow": (0.78, 0.40, "left_shoulder"),
    "right_hand": (0.08, 0.42, "right_elbow"), "left_hand": (0.92, 0.42, "left_elbow"),
    "right_hip": (0.41, 0.61, "root"), "left_hip": (0.59, 0.61, "root"),
    "right_knee": (0.39, 0.77, "right_hip"), "left_knee": (0.61, 0.77, "left_hip"),
    "right_foot": (0.37, 0.93, "right_knee"), "left_foot": (0.63, 0.93, "left_knee"),
}  # fmt: skip
"""A standing figure with its arms out, as parts of the drawn figure's box from its left and top, and parents."""


@dataclass(frozen=True)
class Start:
    """Joints one may begin with, and a word on where they come from."""

    skeleton: Skeleton
    note: str


@dataclass(frozen=True)
class Sheet:
    """A drawing whose joints are being set.

    Attributes:
        name: of the character.
        picture: the drawing at its working size, on which joints are placed here.
        mask: (H, W) bool, the figure on it.
        url: of the `char_cfg.yaml` to read and write; it has the pixels of the drawing's file.
    """

    name: str
    picture: Picture
    mask: np.ndarray
    url: str
    _lock: Lock = field(init=False, default_factory=Lock)

    def starts(self) -> dict[str, Start]:
        """Joints to begin with, best first: the file's, the estimate, a template in the figure's box."""
        found, reasons = {}, []
        try:
            skeleton = joints_file.read(self.url, self.picture.size[::-1]).scaled(*self.picture.scale)
            found["file"] = Start(skeleton, f"joints of {joints_file.FILE}")
        except InputDataError as error:
            reasons.append(f"{joints_file.FILE} is damaged, and saving replaces it: {error}")
        except RequestError:
            reasons.append(f"no {joints_file.FILE} yet")
        try:
            guess = estimate(self.mask)
            found["estimate"] = Start(
                guess.skeleton, "; ".join([*reasons, f"joints are estimated, confidence {guess.confidence:.0%}"])
            )
        except InputDataError as error:
            reasons.append(f"none estimated: {error.where.get('problem', error.what)}")
        found["template"] = Start(template(self.mask), "; ".join([*reasons, "joints of a template, to be moved"]))
        return found

    def state(self) -> dict[str, Any]:
        """All that the page shows, as JSON."""
        height, width = self.mask.shape
        version = self._version()
        starts = self.starts()
        return {
            "width": width,
            "height": height,
            "outline": _outline(self.mask),
            "starts": {name: {"joints": _plain(start.skeleton), "note": start.note} for name, start in starts.items()},
            "first": next(iter(starts)),
            "version": version,
        }

    def _version(self) -> str:
        """What tells whether the file changed."""
        try:
            return hashlib.sha256(take(self.url)).hexdigest()
        except FileNotFoundError:
            return "none"

    def _skeleton(self, data: Any) -> Skeleton:
        height, width = self.mask.shape
        return joints_file.parse(data, (height, width))

    def check(self, data: Any) -> tuple[JointFinding, ...]:
        """Findings on joints, as the page sends them: the `skeleton` of a `char_cfg.yaml`, in working pixels.

        Raises:
            InputDataError: when they are no tree of joints.
        """
        return findings(self._skeleton(data), self.mask)

    def save(self, data: Any) -> tuple[tuple[JointFinding, ...], str]:
        """Write joints the page sent, unless they have errors; returns findings, and the file's version then.

        Raises:
            InputDataError: when they are no tree of joints.
            RequestError: when the file is no longer of the `version` in `data`: somebody else wrote it.
        """
        skeleton = self._skeleton(data)
        found = findings(skeleton, self.mask)
        across, down = self.picture.scale
        with self._lock:
            if data.get("version") != self._version():
                raise RequestError(
                    "the file changed since the page read it", file=self.url,
                    fix="Reload the page to see it, then edit again.",
                )  # fmt: skip
            if not any(finding.severity == "error" for finding in found):
                joints_file.write(self.url, skeleton.scaled(1 / across, 1 / down), self.picture.size[::-1])
            return found, self._version()

    def png(self) -> bytes:
        """The picture as the page shows it."""
        rgb = np.rint(self.picture.rgb * 255).astype(np.uint8)
        alpha = self.picture.alpha
        pixels = rgb if alpha is None else np.dstack([rgb, np.rint(alpha * 255).astype(np.uint8)])
        buffer = io.BytesIO()
        PIL.Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()


def template(mask: np.ndarray) -> Skeleton:
    """The sixteen joints of a standing figure, spread over the box of the figure."""
    rows, columns = np.nonzero(mask)
    low, size = np.array([columns.min(), rows.min()]), np.array([np.ptp(columns), np.ptp(rows)])
    joints = []
    for name, (across, down, parent) in _TEMPLATE.items():
        x, y = low + size * (across, down)
        joints.append(Joint(name, round(float(x), 1), round(float(y), 1), parent))
    return Skeleton.of(joints)


def _plain(skeleton: Skeleton) -> list[dict[str, Any]]:
    """Joints as the page and the file have them, to a tenth of a pixel."""
    return [
        {"name": j.name, "loc": [round(j.x, 1), round(j.y, 1)], "parent": j.parent} for j in skeleton.joints
    ]  # fmt: skip


def _outline(mask: np.ndarray) -> list[list[str]]:
    """Closed lines around the figure, each a list of `x,y` from the picture's corner."""
    lines = measure.find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    simple = (measure.approximate_polygon(line, 0.4)[:, ::-1] - 0.5 for line in lines)
    return [[f"{x:.1f},{y:.1f}" for x, y in line] for line in simple]


@cache
def _page() -> Template:
    text = (resources.files("osf_pipeline.drawing") / "annotate.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(text)


class Server(ThreadingTCPServer):
    """Serves one sheet on 127.0.0.1; `serve_forever` runs it, `shutdown` ends it.

    Args:
        port: 0 takes a free one.

    Raises:
        RequestError: when the port is taken.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, sheet: Sheet, port: int = 0) -> None:
        self.sheet, self.token = sheet, secrets.token_urlsafe(24)
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise RequestError(
                "the port cannot be used",
                port=port,
                problem=error.strerror,
                fix="Choose another, or 0 for a free one.",
            ) from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away needs no traceback."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        """Address of the page; who knows it may read the drawing and write its joints."""
        return f"http://{self.host}/{self.token}/"


class _Handler(BaseHTTPRequestHandler):
    """One request. Nothing but the page, its picture, its state, a check and a save; all below the secret."""

    server: Server
    server_version, sys_version = "osf", ""
    timeout = SECONDS

    def do_GET(self) -> None:
        if (name := self._asked()) is None:
            return
        sheet = self.server.sheet
        if name == "":
            nonce = secrets.token_urlsafe(16)
            page = _page().render(name=sheet.name, nonce=nonce)
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", page.encode(), nonce=nonce)
        elif name == "picture.png":
            self._answer(HTTPStatus.OK, "image/png", sheet.png())
        elif name == "state.json":
            self._try(lambda: (HTTPStatus.OK, sheet.state()))
        else:
            self._json(HTTPStatus.NOT_FOUND, {"error": "nothing here"})

    def do_POST(self) -> None:
        if (name := self._asked()) is None:
            return
        actions = {"check": self._check, "save": self._save}
        if name not in actions:
            self._json(HTTPStatus.NOT_FOUND, {"error": "nothing here"})
        elif (body := self._body()) is not None:
            self._try(lambda: actions[name](body))

    def _check(self, data: Any) -> tuple[HTTPStatus, dict[str, Any]]:
        return HTTPStatus.OK, {"findings": [asdict(finding) for finding in self.server.sheet.check(data)]}

    def _save(self, data: Any) -> tuple[HTTPStatus, dict[str, Any]]:
        found, version = self.server.sheet.save(data)
        answer = {"findings": [asdict(finding) for finding in found], "version": version, "file": joints_file.FILE}
        if any(finding.severity == "error" for finding in found):
            return HTTPStatus.UNPROCESSABLE_ENTITY, answer | {"error": "Not saved: these joints have errors."}
        return HTTPStatus.OK, answer

    def _asked(self) -> str | None:
        """What is asked for below the secret; None when the request was refused."""
        own = (self.server.host, self.server.host.replace("127.0.0.1", "localhost"))
        origin = self.headers.get("Origin")
        if self.headers.get("Host") not in own or (origin is not None and origin not in [f"http://{n}" for n in own]):
            self._json(HTTPStatus.FORBIDDEN, {"error": "another host or origin"})
            return None
        below = f"/{self.server.token}/"
        if not hmac.compare_digest(self.path[: len(below)].encode(), below.encode()):
            self._json(HTTPStatus.NOT_FOUND, {"error": "nothing here"})
            return None
        return self.path[len(below) :]

    def _body(self) -> Any:
        """The JSON of a request; None when it was refused."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json":
            self._json(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"error": "send application/json"})
        elif not (length.isascii() and length.isdecimal()):
            self._json(HTTPStatus.LENGTH_REQUIRED, {"error": "send a Content-Length"})
        elif len(length) > 9 or int(length) > MAX_BODY:
            self._json(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"send at most {MAX_BODY} bytes"})
        else:
            try:
                data = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                data = None
            if data is not None:
                return data
            self._json(HTTPStatus.BAD_REQUEST, {"error": "no JSON"})
        return None

    def _try(self, action: Callable[[], tuple[HTTPStatus, Mapping[str, Any]]]) -> None:
        try:
            status, answer = action()
        except InputDataError as error:
            status, answer = HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(error)}
        except RequestError as error:
            status, answer = HTTPStatus.CONFLICT, {"error": str(error)}
        self._json(status, answer)

    def _json(self, status: HTTPStatus, data: Mapping[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(data).encode())

    def _answer(self, status: HTTPStatus, kind: str, body: bytes, *, nonce: str | None = None) -> None:
        own = f"'nonce-{nonce}'" if nonce else "'none'"
        policy = (
            f"default-src 'none'; script-src {own}; style-src {own}; img-src 'self' data:; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Addresses hold the secret, so requests are not logged."""

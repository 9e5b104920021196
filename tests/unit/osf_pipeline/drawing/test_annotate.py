"""The page that sets joints: what it shows, what it saves, and whom it refuses."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osf_pipeline.drawing.annotate import MAX_BODY, Server, Sheet, template
from osf_pipeline.drawing.picture import Picture
from osf_pipeline.drawing.skeleton import FILE, Skeleton, read, write
from osf_pipeline.errors import RequestError

HEIGHT, WIDTH = 100, 80
FILE_SIZE = (160, 200)
"""Width and height of the file: twice the working size."""


def sheet(folder: Path) -> Sheet:
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    rgb[..., 0] = 1
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[10:90, 10:70] = True
    return Sheet("blob", Picture(rgb, None, FILE_SIZE), mask, str(folder / FILE))


class Client:
    """Speaks to a server as a browser would; headers can be changed or, with None, left out."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def ask(
        self, method: str, path: str, body: Any = None, *, below: bool = True, **changed: str | None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        host, port = self.server.server_address[:2]
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers: dict[str, str | None] = {"Host": self.server.host}
        if method == "POST":
            headers |= {"Origin": f"http://{self.server.host}", "Content-Type": "application/json"}
            headers |= {"Content-Length": str(len(raw))}
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        connection = http.client.HTTPConnection(str(host), port, timeout=20)
        connection.putrequest(method, f"/{self.server.token}/{path}" if below else path, skip_host=True)
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(raw)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content

    def state(self) -> dict[str, Any]:
        status, _, content = self.ask("GET", "state.json")
        assert status == 200
        return dict(json.loads(content))

    def post(self, path: str, joints: Any, version: str) -> tuple[int, dict[str, Any]]:
        status, _, content = self.ask("POST", path, {"skeleton": joints, "version": version})
        return status, json.loads(content)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with Server(sheet(tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Client(server)
        server.shutdown()
        thread.join()


def test_the_page_needs_nothing_from_elsewhere(client: Client) -> None:
    status, headers, content = client.ask("GET", "")
    page = content.decode()
    assert status == 200
    assert "blob – joints" in page
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    policy = headers["Content-Security-Policy"]
    (nonce,) = set(re.findall(r'nonce="([^"]+)"', page))
    assert "default-src 'none'" in policy
    assert policy.count(f"'nonce-{nonce}'") == 2
    assert "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store"
    assert client.server.token not in page


def test_the_picture_is_the_drawing(client: Client) -> None:
    import io

    import PIL.Image

    status, headers, content = client.ask("GET", "picture.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    picture = PIL.Image.open(io.BytesIO(content))
    assert picture.size == (WIDTH, HEIGHT)
    assert picture.getpixel((3, 3)) == (255, 0, 0)


def test_without_a_file_and_a_biped_one_starts_from_the_template(client: Client) -> None:
    state = client.state()
    assert (state["width"], state["height"]) == (WIDTH, HEIGHT)
    assert list(state["starts"]) == ["template"]
    note = state["starts"]["template"]["note"]
    assert "no char_cfg.yaml yet" in note
    assert "limbs stick out" in note
    corners = {tuple(float(n) for n in point.split(",")) for point in state["outline"][0]}
    assert {x for x, _ in corners} >= {10.0, 70.0}  # from the picture's corner: the edges of pixels 10 and 69
    assert {y for _, y in corners} >= {10.0, 90.0}


def test_saving_writes_the_files_own_pixels(client: Client, tmp_path: Path) -> None:
    state = client.state()
    joints = state["starts"]["template"]["joints"]
    joints[3]["loc"] = [40, 30.5]
    status, answer = client.post("save", joints, state["version"])
    assert (status, answer["findings"], answer["file"]) == (200, [], FILE)
    saved = read(str(tmp_path / FILE), FILE_SIZE[::-1])
    assert (saved["neck"].x, saved["neck"].y) == (40.5 * 2 - 0.5, 31 * 2 - 0.5)
    again = client.state()
    assert again["first"] == "file"
    assert again["version"] == answer["version"] != state["version"]
    assert again["starts"]["file"]["joints"] == joints


def test_joints_with_errors_are_shown_and_not_saved(client: Client, tmp_path: Path) -> None:
    state = client.state()
    joints = state["starts"]["template"]["joints"]
    joints[3]["loc"] = [0, 0]
    status, answer = client.post("check", joints, state["version"])
    assert status == 200
    assert answer["findings"][0]["severity"] == "error"
    assert answer["findings"][0]["joints"] == ["neck"]
    status, answer = client.post("save", joints, state["version"])
    assert status == 422
    assert answer["findings"][0]["joints"] == ["neck"]
    assert "Not saved" in answer["error"]
    assert not (tmp_path / FILE).exists()


def test_what_is_no_tree_is_told(client: Client, tmp_path: Path) -> None:
    state = client.state()
    joints = state["starts"]["template"]["joints"]
    joints[0]["parent"] = "neck"
    for path in ("check", "save"):
        status, answer = client.post(path, joints, state["version"])
        assert status == 422
        assert "exactly one root" in answer["error"]
    assert not (tmp_path / FILE).exists()


def test_a_file_written_meanwhile_is_kept(client: Client, tmp_path: Path) -> None:
    state = client.state()
    joints = state["starts"]["template"]["joints"]
    other = template(client.server.sheet.mask)
    write(str(tmp_path / FILE), other.scaled(2, 2), FILE_SIZE[::-1])
    before = (tmp_path / FILE).read_bytes()
    status, answer = client.post("save", joints, state["version"])
    assert status == 409
    assert "Reload the page" in answer["error"]
    assert (tmp_path / FILE).read_bytes() == before
    assert client.post("save", joints, client.state()["version"])[0] == 200


def test_a_damaged_file_is_told_and_can_be_replaced(client: Client, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("skeleton: [")
    state = client.state()
    assert state["first"] == "template"
    assert "is damaged" in state["starts"]["template"]["note"]
    assert client.post("save", state["starts"]["template"]["joints"], state["version"])[0] == 200


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": None}, 403),
        ({"Host": "127.0.0.1:1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": None}, 415),
        ({"Content_Length": None}, 411),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": "²"}, 411),
        ({"Content_Length": str(MAX_BODY + 1)}, 413),
        ({"Content_Length": "9" * 5000}, 413),
    ],
)
def test_strange_requests_are_refused(
    client: Client, tmp_path: Path, changed: dict[str, str | None], status: int
) -> None:
    joints = client.state()["starts"]["template"]["joints"]
    body = {"skeleton": joints, "version": "none"}
    if "Content_Length" in changed:
        body = None  # an answer may come before a body is sent
    assert client.ask("POST", "save", body, **changed)[0] == status
    assert not (tmp_path / FILE).exists()


def test_reading_is_refused_under_other_hosts_too(client: Client) -> None:
    for path in ("", "state.json", "picture.png"):
        assert client.ask("GET", path, Host="evil.example")[0] == 403
    own = f"localhost:{client.server.server_address[1]}"
    assert client.ask("GET", "", Host=own)[0] == 200


@pytest.mark.parametrize("path", ["/", "/state.json", "/wrong/state.json", "//", "*", "/%00/", "/%C3%A9/"])
def test_nothing_is_served_without_the_secret(client: Client, path: str) -> None:
    status, _, content = client.ask("GET", path, below=False)
    assert status == 404
    assert client.server.token.encode() not in content


@pytest.mark.parametrize("path", ["../", "char_cfg.yaml", "picture.png/", "?", "state.json?x=1"])
def test_nothing_else_is_served_with_it(client: Client, path: str) -> None:
    assert client.ask("GET", path)[0] == 404
    assert client.ask("POST", path, {})[0] == 404


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"\xff", b"[" * 5_000, b"1", b"[]", b'{"skeleton": 3}'])
def test_a_body_that_says_nothing_is_refused(client: Client, body: bytes) -> None:
    assert client.ask("POST", "save", body)[0] in (400, 422)


def test_every_run_has_its_own_secret_and_its_own_machine(tmp_path: Path) -> None:
    with Server(sheet(tmp_path)) as one, Server(sheet(tmp_path)) as other:
        assert one.token != other.token
        assert len(one.token) >= 32
        assert one.server_address[0] == "127.0.0.1"
        with pytest.raises(RequestError, match="port cannot be used"):
            Server(sheet(tmp_path), one.server_address[1])


def test_the_template_stands_in_the_figures_box() -> None:
    mask = np.zeros((300, 300), bool)
    mask[100:201, 50:151] = True
    skeleton: Skeleton = template(mask)
    assert (skeleton["root"].x, skeleton["root"].y) == (100, 160)
    assert skeleton["right_hand"].x < skeleton["left_hand"].x
    assert all(50 <= joint.x <= 150 and 100 <= joint.y <= 200 for joint in skeleton.joints)

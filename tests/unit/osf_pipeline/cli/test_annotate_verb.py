"""`osf annotate` prints where its page is, serves it, and ends with Ctrl+C."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import typer
from typer.testing import CliRunner

from osf_pipeline.cli.annotate import command
from osf_pipeline.drawing.annotate import Server


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_the_printed_address_is_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "drawings" / "blob"
    folder.mkdir(parents=True)
    pixels = np.zeros((90, 70), np.uint8)
    pixels[10:80, 10:60] = 255
    PIL.Image.fromarray(pixels).save(folder / "drawing.png")
    PIL.Image.fromarray(pixels).save(folder / "mask.png")
    pages = []
    serve = Server.serve_forever

    def visited(server: Server, poll_interval: float = 0.5) -> None:
        from threading import Thread

        thread = Thread(target=serve, args=(server, 0.01))
        thread.start()
        with urllib.request.urlopen(server.url, timeout=20) as page:
            pages.append((server.url, page.read().decode()))
        server.shutdown()
        thread.join()
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", visited)
    code, output = run("blob", "--root", str(tmp_path))
    ((url, page),) = pages
    assert code == 0, output
    assert url in output
    assert str(folder / "char_cfg.yaml") in output
    assert "blob – joints" in page


def test_an_unknown_drawing_is_a_bad_request(tmp_path: Path) -> None:
    code, output = run("nobody", "--root", str(tmp_path))
    assert code == 2
    assert "nobody" in output

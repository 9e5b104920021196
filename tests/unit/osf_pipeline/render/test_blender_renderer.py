"""Finding and running Blender, with small programs in its place; what it renders is an integration test."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from osf_pipeline.config import Camera, ShotConfig
from osf_pipeline.errors import RequestError
from osf_pipeline.render.blender import SCRIPT, VARIABLE, Blender, BlenderRenderer, find_blender
from osf_pipeline.render.scene import Mesh, Plain, Rigid, Scene
from osf_pipeline.render.sequence import renderer
from osf_pipeline.render.shapes import ball
from osf_pipeline.shots import FrameRange

FRAMES = FrameRange.of([3, 4, 5])
SHOT = ShotConfig(source="s.##.exr")

WRITES = """
job = json.load(open(sys.argv[-1]))
open(log, "w").write(json.dumps(job))
os.makedirs(job["folder"])
for frame in job["frames"]:
    print("Fra:1 Mem:0 | noise", flush=True)
    path = os.path.join(job["folder"], job["pattern"].replace("##", f"{frame:02d}"))
    open(path + ".part", "w").write(f"frame {frame}")
    os.replace(path + ".part", path)
"""


def program(folder: Path, body: str, version: str = "Blender 4.5.15") -> str:
    """A `blender` that knows its version and otherwise runs some lines of Python."""
    path = folder / "blender"
    path.write_text(
        f"#!{sys.executable}\nimport json, os, signal, sys, time\n"
        f"log = {str(folder / 'log')!r}\n"
        f"if '--version' in sys.argv:\n    print({version!r})\n    sys.exit()\n{body}"
    )
    path.chmod(0o755)
    return str(path)


def scene(frames: FrameRange | None = None) -> Scene:
    rest, faces = ball(0.3, rows=4)
    still = {frame: np.eye(3) for frame in range(10)}
    pose = Rigid(rest, still, {frame: np.zeros(3) for frame in range(10)})
    mesh = Mesh(rest, faces, np.ones(len(faces), np.uint16), 1, pose, Plain((1, 1, 1)))
    return Scene((mesh,), lambda _: Camera(scale=2, position=(0, 0, 3)), frames=frames)


def render(path: str, folder: Path, frames: FrameRange = FRAMES, **settings: float) -> list[tuple[int, int, str]]:
    steps: list[tuple[int, int, str]] = []
    BlenderRenderer(40, 30, 3, 1, path, **settings).render(
        scene(FrameRange.of(range(3, 8))), frames, str(folder), SHOT, lambda *step: steps.append(step)
    )
    return steps


def test_no_blender_is_a_clear_request_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(RequestError, match=rf"no Blender is named.*Set {VARIABLE}"):
        find_blender()
    with pytest.raises(RequestError, match="does not run"):
        find_blender(str(tmp_path / "none"))
    with pytest.raises(RequestError, match="does not run"):  # a Python without bpy
        find_blender(sys.executable if Path(sys.executable).name.startswith("python") else "python3")
    with pytest.raises(RequestError, match="is no Blender"):
        find_blender(program(tmp_path, "", "GIMP 2.10"))
    with pytest.raises(RequestError, match=r"too old.*version=4\.1\.1"):
        find_blender(program(tmp_path, "", "Blender 4.1.1"))


def test_the_variable_names_blender_and_an_argument_goes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    named, given = program(tmp_path, "", "Blender 4.2.3 LTS"), program(tmp_path / "a", "", "Blender 5.0.1")
    monkeypatch.setenv(VARIABLE, named)
    assert find_blender() == Blender(named, "4.2.3")
    assert find_blender(given) == Blender(given, "5.0.1")


def test_the_program_and_the_module_are_started_in_their_own_ways() -> None:
    assert Blender("/opt/python3.11", "4.5.15").command(SCRIPT, "job") == ["/opt/python3.11", str(SCRIPT), "job"]
    command = Blender("/opt/blender", "4.5.15").command(SCRIPT, "job")
    assert command[0] == "/opt/blender"
    assert command[-4:] == ["--python", str(SCRIPT), "--", "job"]
    assert {"--background", "--factory-startup"} <= set(command)


def test_frames_are_taken_over_one_by_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    steps = render(program(tmp_path, WRITES), out, FrameRange.of([4, 5]))
    assert steps == [(1, 2, "rendered frame 4"), (2, 2, "rendered frame 5")]
    assert {path.name: path.read_text() for path in out.iterdir()} == {"s.04.exr": "frame 4", "s.05.exr": "frame 5"}
    job = json.loads((tmp_path / "log").read_text())
    assert (job["frames"], job["shot_frames"]) == ([4, 5], [3, 4, 5, 6, 7])
    assert (job["size"], job["samples"], job["threads"]) == ([40, 30], 36, 1)
    assert not Path(job["folder"]).exists()  # scratch is gone


def test_a_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    body = WRITES.replace('print("Fra', "if frame == 4: sys.exit('no camera')\n    print(\"Fra")
    with pytest.raises(RequestError, match="Blender failed") as caught:
        render(program(tmp_path, body), tmp_path / "out")
    assert caught.value.where["frame"] == 4
    assert caught.value.where["log"] == "no camera"  # without Blender's progress lines
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["s.03.exr"]


def test_a_killed_blender_leaves_whole_frames_only(tmp_path: Path) -> None:
    body = WRITES.replace("os.replace", "frame == 5 and os.kill(os.getpid(), signal.SIGKILL)\n    os.replace")
    with pytest.raises(RequestError, match="Blender failed"):
        render(program(tmp_path, body), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["s.03.exr", "s.04.exr"]


def test_a_blender_that_hangs_is_stopped_with_its_children(tmp_path: Path) -> None:
    body = "child = os.fork()\nopen(log + str(os.getpid()), 'w')\ntime.sleep(60)\n"
    with pytest.raises(RequestError, match="takes too long"):
        render(program(tmp_path, body), tmp_path / "out", patience=1.0)
    processes = [int(path.name.removeprefix("log")) for path in tmp_path.glob("log*")]
    assert len(processes) == 2
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{p}").exists() and _running(p) for p in processes):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _running(process: int) -> bool:
    """Alive, and no zombie that waits for its parent."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_blender_is_a_registered_renderer() -> None:
    assert renderer("blender", width=4, height=3, supersample=5, threads=1) == BlenderRenderer(4, 3, 5, 1)


def test_the_script_imports_nothing_but_bpy_numpy_and_the_standard_library() -> None:
    lines = [line.split() for line in SCRIPT.read_text().splitlines() if line.startswith(("import ", "from "))]
    assert {words[1].partition(".")[0] for words in lines} <= {"bpy", "numpy"} | set(sys.stdlib_module_names)
    assert os.access(SCRIPT, os.R_OK)

"""`osf render`: a scene of characters and motions to a shot."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from osf_pipeline.cli.console import (
    Address,
    Backend,
    Home,
    Report,
    Root,
    Threads,
    Workers,
    describe,
    progress_lines,
    project,
    reporting,
    show,
)
from osf_pipeline.execution import Execution


def command(
    shot: Annotated[str, typer.Argument(help="Name of a scene: a file under ROOT/scenes; --character writes it.")],
    character: Annotated[list[str] | None, typer.Option(help="Who plays; once for each actor.")] = None,
    motion: Annotated[
        list[str] | None, typer.Option(help="Built-in motion or file under ROOT/motions; once, or for each actor.")
    ] = None,
    frames: Annotated[str, typer.Option(help="Frame range.")] = "1001-1048",
    fps: Annotated[float, typer.Option(help="Frames a second.", min=1)] = 24,
    width: Annotated[int, typer.Option(min=16)] = 512,
    height: Annotated[int, typer.Option(min=16)] = 512,
    camera: Annotated[Literal["ortho", "persp"], typer.Option(help="Projection of a camera in front.")] = "ortho",
    light: Annotated[Literal["flat", "lit"], typer.Option(help="Unlit, or a sun that throws shadows.")] = "flat",
    ground: Annotated[bool, typer.Option("--ground", help="Show the ground.")] = False,
    renderer: Annotated[str, typer.Option(help="Registered renderer: raycast, blender.")] = "raycast",
    force: Annotated[bool, typer.Option("--force", help="Overwrite another scene of that name.")] = False,
    root: Root = None,
    home: Home = None,
    backend: Backend = "local",
    address: Address = None,
    workers: Workers = None,
    threads: Threads = 2,
    report: Report = None,
) -> None:
    """Render a scene to EXR frames with every buffer exact. A rerun renders what is missing or changed, nothing else.

    With --character, the scene is written first from these options: actors stand side by side before a camera that
    shows them all. For anything else (props, paths, moving cameras) write ROOT/scenes/SHOT.yaml.
    """
    with reporting(report) as results:
        from osf_pipeline.render.stage import add_scene, render_shot
        from osf_pipeline.scenes import line_up

        layout = project(root, home)
        if character:
            scene = line_up(
                character, motion or ["walk"], frames=frames, fps=fps, width=width, height=height,
                projection=camera, lit=light == "lit", ground=ground, renderer=renderer,
            )  # fmt: skip
            add_scene(layout, shot, scene, force=force)
        execution = Execution(backend, address, workers, threads)
        result = render_shot(layout, shot, execution, progress_lines())
        results.append(describe(result))
        show(result)

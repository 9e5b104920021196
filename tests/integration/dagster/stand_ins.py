"""Stand-ins for the library's stages: they record their calls and return plausible results."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg

from assets.resources import OsfProject
from dagster_project.definitions import defs
from osf_pipeline.results import BuiltCharacter, StageResult, TrainedStyle
from osf_pipeline.validate.findings import Finding

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000000020001e221bc330000000049454e44ae426082"
)


class Stages:
    """The functions of all stages, as methods.

    Attributes:
        calls: what was called, in order.
        findings: what `validate_shot` finds.
        refusal: what `ingest_shot` raises.
        version: of the model that is trained and used.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.findings: list[Finding] = []
        self.refusal: Exception | None = None
        self.version = 1

    def build_from_drawing(self, layout: Any, character: str, progress: Any) -> BuiltCharacter:
        self.calls.append(f"build {character}")
        folder = Path(layout.root) / "characters" / character / "id-character"
        folder.mkdir(parents=True)
        (Path(layout.root) / "styles" / character).mkdir(parents=True, exist_ok=True)
        (Path(layout.root) / "styles" / character / "style.yaml").write_text("exemplars: []\n")
        return BuiltCharacter(
            character, "id-character", str(folder), str(Path(layout.root) / "styles" / character), False, 3.0,
            {"joints": "char_cfg.yaml"}, PNG,
        )  # fmt: skip

    def render_scenes(
        self, layout: Any, character: str, motions: list[str], execution: Any, progress: Any
    ) -> list[StageResult]:
        self.calls.append(f"render {character} {motions}")
        found = []
        for motion in motions or ["walk"]:
            folder = Path(layout.root) / "renders" / f"{character}_{motion}"
            folder.mkdir(parents=True)
            (folder / "shot.yaml").write_text(f'styles: {{"*": {character}}}\n')
            found.append(StageResult(folder.name, "renders", f"id-{motion}", str(folder), False, 48, 9.0, {}, PNG))
        return found

    def validate_shot(self, layout: Any, shot: str) -> Any:
        return SimpleNamespace(findings=tuple(self.findings))

    def ingest_shot(self, layout: Any, shot: str, execution: Any, progress: Any) -> StageResult:
        if self.refusal:
            raise self.refusal
        return self._result(layout, shot, "gbuffer", frames="1001-1024", findings=[vars(f) for f in self.findings])

    def guide_shot(self, layout: Any, shot: str, execution: Any, progress: Any) -> StageResult:
        return self._result(layout, shot, "guidance")

    def stylize_shot(
        self, layout: Any, shot: str, execution: Any, progress: Any, alias: str, preset: str | None
    ) -> StageResult:
        models = [{"style": "ink", "model": "osf-stylizer-ink", "version": self.version}]
        return self._result(layout, shot, "stylized", models=models)

    def deliver_shot(self, layout: Any, shot: str, progress: Any) -> StageResult:
        return self._result(layout, shot, "delivery")

    def evaluate_shot(self, layout: Any, shot: str, progress: Any) -> StageResult:
        return self._result(layout, shot, "evaluation", table=[{"region": "all", "psnr": 30.0}])

    def review_shot(self, layout: Any, shot: str, progress: Any) -> StageResult:
        return self._result(layout, shot, "review")

    def bake_shot(self, layout: Any, shot: str, progress: Any) -> StageResult:
        return self._result(layout, shot, "bake", seen=0.8)

    def bench(self, layout: Any, request: Any, execution: Any, progress: Any) -> SimpleNamespace:
        self.calls.append(f"bench {request.seeds} {request.steps} {request.methods}")
        folder = Path(layout.root) / "benchmark" / "id-bench"
        folder.mkdir(parents=True)
        (folder / "benchmark.md").write_text("# Occlusion benchmark\n")
        return SimpleNamespace(
            id="id-bench", url=str(folder), headline=[{"method": "ours", "contour_f1": 0.97}],
            figures={"ours": {"occlusion band": {"contour_f1": 0.97}}}, preview_png=PNG, reused=False, seconds=2.0,
        )  # fmt: skip

    def train_style(self, layout: Any, style: str, progress: Any, overrides: dict[str, Any]) -> TrainedStyle:
        self.calls.append(f"train {style} {overrides}")
        folder = Path(layout.root) / "model"
        folder.mkdir(exist_ok=True)
        return TrainedStyle(
            style,
            f"osf-stylizer-{style}",
            self.version,
            str(folder),
            False,
            1.5,
            {"psnr": 25.0},
            {"inputs": ["normal"]},
        )

    def _result(self, layout: Any, shot: str, kind: str, **metadata: Any) -> StageResult:
        self.calls.append(kind)
        folder = Path(layout.root) / "stores" / shot / kind
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "data").write_bytes(bytes(1000))
        return StageResult(shot, kind, f"id-{kind}", str(folder), False, 24, 0.5, metadata, PNG)


def run(
    job: str, partition: str, project: OsfProject, instance: dg.DagsterInstance, selection: Any = None, **config: Any
) -> dg.ExecuteInProcessResult:
    """One run of a job, or of some of its assets, as the definitions declare it."""
    instance.add_dynamic_partitions("shots" if job == "bake" else f"{job}s", [partition])
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return (
        defs()
        .resolve_job_def(job)
        .execute_in_process(
            run_config={**quiet, "resources": {"osf": {"config": {"root": project.root}}}, **config},
            partition_key=partition, instance=instance, raise_on_error=False, asset_selection=selection,
        )
    )  # fmt: skip

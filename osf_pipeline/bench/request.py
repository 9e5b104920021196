"""What a benchmark run is asked for.

Belongs here: the request and what `--quick` makes of it. Does not: carrying it out (`stage`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from osf_pipeline.bench.method import Budget
from osf_pipeline.config import Strict
from osf_pipeline.generate.plan import GenerateRequest

Comparison = Literal["equal steps", "equal time", "to the plateau"]


class BenchRequest(Strict):
    """One run of the occlusion benchmark.

    Attributes:
        methods: names to compare; all when empty. `ours`, against which differences are told, is always among them.
        seeds: how many seeds each style is learnt with, from 0 up.
        steps: optimiser steps of each network.
        generated: the generated set; None leaves it out.
        folders: folders of sequences to be measured beside it.
        equal_time: compare at equal wall time of learning as well: every method gets the seconds that ours took.
        plateau: on so many of the generated sequences, compare at 256x256 with the two-stage method after as many
            steps as help it, too; 0 leaves that comparison out.
        perceptual_frames: at most so many frames of each sequence, spread over it, whose ST-LPIPS is measured.
        cost_size: side of the frame whose time and memory are measured.
        threads: of learning and drawing.
        claims: False for a run that is too small to conclude anything from.
    """

    methods: tuple[str, ...] = ()
    seeds: int = Field(3, ge=1)
    steps: int = Field(400, ge=1)
    generated: GenerateRequest | None = GenerateRequest(split="test", sequences=24, characters=12)
    folders: tuple[str, ...] = ()
    equal_time: bool = False
    plateau: int = Field(0, ge=0)
    perceptual_frames: int = Field(24, ge=1)
    cost_size: int = Field(512, ge=64)
    threads: int = Field(2, ge=1)
    claims: bool = True

    @classmethod
    def made(
        cls, *, quick: bool = False, given: Mapping[str, Any] | None = None, generated: Mapping[str, Any] | None = None
    ) -> BenchRequest:
        """A full run, or a quick one of minutes that shows that everything works, with what is asked otherwise.

        Args:
            given: keys of the request that take the place of the run's own.
            generated: likewise of its generated set; `sequences: 0` leaves it out.
        """
        base = QUICK if quick else BenchRequest()
        wanted = {**base.model_dump(), **(given or {})}
        if generated:
            kept = generated.get("sequences") != 0
            wanted["generated"] = {**wanted["generated"], **generated} if kept else None
        return cls.model_validate(wanted)

    def budgets(self) -> list[Budget]:
        """One for every seed."""
        return [Budget(self.steps, seed=seed, threads=self.threads) for seed in range(self.seeds)]


QUICK = BenchRequest(
    seeds=1,
    steps=60,
    generated=GenerateRequest(split="test", sequences=3, characters=2, frames=8, width=256, height=256),
    perceptual_frames=4,
    cost_size=256,
    claims=False,
)

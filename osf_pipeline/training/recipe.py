"""How a style is trained. Belongs here: the keys under `recipe` in `style.yaml` and their defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from osf_pipeline.buffers import Tier
from osf_pipeline.config import Strict

Device = Literal["auto", "cpu", "cuda"]


class TrainRecipe(Strict):
    """One training run; equal recipes on equal exemplars give equal weights on one CPU type.

    Attributes:
        tier: what a shot must know to use the model: `full`, or `estimated` (colour and contours, no rest position).
        steps: optimiser steps.
        width, blocks: size of the network.
        batch, patch: patches per step and their side in pixels.
        pool: composites held at a time.
        refresh: steps between two new composites.
        composites: share of the pool that are part-layer composites; the rest is the keyframe as it is.
        shrunk: share of the pool that shows the figure smaller, down to half its size.
        rate: peak learning rate.
        sparsity, perceptual: weights of those loss terms; perceptual 0 leaves the feature network out.
        snapshot: steps between two held-out checks; the best snapshot is kept.
        checkpoint: steps between two checkpoints.
        trim_halo: cut off the pale rim between a drawing's line and the edge of its cut-out.
        seed: of the weights, the composites and the patches.
        threads: torch threads; fixed because it is part of bit-equality.
        patience: held-out checks in a row without a new best after which training ends; 0 never ends it early.
        precision: of the convolutions; `auto` is bf16 on CUDA that has it, else fp32; what is not there is refused.
        compile: torch.compile; `auto` only where it pays, long runs on CUDA.
        withhold: guides that the network is not shown, in training or in drawing, to tell what they are worth; one that
            it never sees changes nothing.
        losses, augmentations: registered ones by name, losses with their weights (`osf_pipeline.training.extensions`).
    """

    tier: Tier = Tier.FULL
    steps: int = Field(1200, ge=1)
    width: int = Field(24, ge=8, multiple_of=4)
    blocks: int = Field(4, ge=1)
    batch: int = Field(12, ge=1)
    patch: int = Field(64, ge=32, multiple_of=4)
    pool: int = Field(48, ge=2)
    refresh: int = Field(6, ge=1)
    composites: float = Field(0.7, ge=0, le=1)
    shrunk: float = Field(0.3, ge=0, le=1)
    rate: float = Field(2e-3, gt=0)
    sparsity: float = Field(0.02, ge=0)
    perceptual: float = Field(0.0, ge=0)
    snapshot: int = Field(100, ge=1)
    checkpoint: int = Field(100, ge=1)
    trim_halo: bool = True
    seed: int = 0
    threads: int = Field(2, ge=1)
    patience: int = Field(5, ge=0)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    withhold: tuple[Literal["contour", "rest_z", "revealed", "confidence"], ...] = ()
    losses: dict[str, float] = Field({})
    augmentations: tuple[str, ...] = ()

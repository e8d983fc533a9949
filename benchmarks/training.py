"""What the training loop costs beside the network: against a bare loop over data in memory.

    python benchmarks/training.py --steps 60 --threads 1

Both take the same steps of the recipe `buildings` on the same drawn town, in turns: ours draws its
chips, averages weights, records and saves its state; the bare loop has all its batches in memory,
and does nothing but forward, loss, backward, clipping and the optimiser's step. Seconds are those
from the first to the last step, without what stands before and after.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from geounet.backends.torch import best_device, keep_large_buffers
from geounet.networks.registry import build
from geounet.scenes import town
from geounet.training.chips import ChipSampler
from geounet.training.dataset import Sheet
from geounet.training.fit import FitOptions, fit
from geounet.training.losses import boundary
from geounet.training.recipes import Recipe, recipe
from geounet.training.shown import MEAN, STD
from geounet.training.trainer import training_precision

WARM = 3
"""Steps that do not count."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def sheets(count: int, size: int) -> list[Sheet]:
    """Drawn towns."""
    scenes = {f"town-{seed}": town(size, seed) for seed in range(count)}
    return [
        Sheet(
            name=name, place="town", split="train", image=scene.image, mask=scene.mask,
            valid=scene.valid, gsd=0.3, weight=1.0,
        )
        for name, scene in scenes.items()
    ]  # fmt: skip


class Clock:
    """Wall and CPU seconds from the end of the warm steps to the last one."""

    def __init__(self, device: str) -> None:
        """Wait for the first step."""
        self._device, self._from, self.spent = device, (0.0, 0.0), (0.0, 0.0)

    def __call__(self, done: int, total: int, *_: str) -> None:
        """Take the time after a step."""
        if done in (WARM, total):
            if self._device.startswith("cuda"):
                torch.cuda.synchronize()
            now = (time.perf_counter(), time.process_time())
            if done == WARM:
                self._from = now
            self.spent = tuple(b - a for a, b in zip(self._from, now, strict=True))


def ours(chosen: Recipe, data: list[Sheet], options: FitOptions) -> tuple[float, float]:
    """Seconds of the training loop."""
    clock = Clock(best_device(options.device))
    with tempfile.TemporaryDirectory() as folder:
        fit(data, chosen, Path(folder) / "m.safetensors", options, clock)
    return clock.spent


def bare(chosen: Recipe, data: list[Sheet], options: FitOptions) -> tuple[float, float]:
    """Seconds of the loop one would write by hand, its batches drawn before."""
    device = best_device(options.device)
    sampler = ChipSampler(data, chosen, options.seed)
    batches = [tuple(maps.to(device) for maps in sampler.batch(step)) for step in range(8)]
    network = build(chosen.network, chosen.network_options)
    network = network.to(device, memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(network.parameters(), 1e-4)
    mean, std = (torch.tensor(v, device=device).view(1, -1, 1, 1) for v in (MEAN, STD))
    dtype = DTYPES[training_precision(options.precision, options.device)]
    clock = Clock(device)
    for step in range(1, chosen.steps + 1):
        images, masks, valid = batches[step % len(batches)]
        pixels = ((images / 255 - mean) / std * valid).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.partition(":")[0], dtype, enabled=dtype != torch.float32):
            logits = network(pixels)
        loss = boundary(logits.float(), masks, valid, chosen.edge_weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        clock(step, chosen.steps)
    return clock.spent


def main() -> None:
    """Measure both in turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chip", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    given = parser.parse_args()
    keep_large_buffers()
    torch.set_num_threads(given.threads)
    chosen = replace(
        recipe("buildings"), steps=given.steps, chip=given.chip, batch_size=given.batch_size
    )
    options = FitOptions(device=given.device, precision=given.precision, threads=given.threads)
    data, found = sheets(4, 768), {"ours": [], "bare": []}
    for _ in range(given.rounds):
        for name, loop in (("bare", bare), ("ours", ours)):
            found[name].append([each / given.steps for each in loop(chosen, data, options)])
            wall, cpu = found[name][-1]
            print(f"{name}: {1000 * wall:.0f} ms wall, {1000 * cpu:.0f} ms CPU a step", flush=True)
    for at, kind in enumerate(("wall", "CPU")):
        ratio = statistics.median(
            a[at] / b[at] for a, b in zip(found["ours"], found["bare"], strict=True)
        )
        print(f"{kind}: ours / bare {ratio:.3f}")


if __name__ == "__main__":
    main()

"""What each named network costs: parameters, field, operations, CPU seconds a million pixels.

    python benchmarks/networks.py --names field unet nuclei --edge 512 --rounds 5

Times are CPU seconds of one thread, fp32, channels last, batch normalisation folded: the best of
some rounds, the networks in turn. `work` is the operations a kept pixel costs in tiles of 1024 with
a halo that covers the field: a small field is worth as much as a lean network.
"""

from __future__ import annotations

import argparse
import time
import warnings

import torch
from torch.utils.flop_counter import FlopCounterMode

from geounet.backends.fold import folded
from geounet.backends.torch import keep_large_buffers
from geounet.networks.catalogue import NETWORKS
from geounet.networks.registry import build

TILE = 1024


def main() -> None:
    """Measure and print the table of the documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", nargs="*", default=list(NETWORKS))
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_large_buffers()
    seconds = times(options.names, options.edge, options.rounds)
    least = NETWORKS["unet"]
    columns = ("network", "parameters", "stride", "field", "kFLOP a pixel")
    print(f"| {' | '.join(columns)} | work at tile {TILE} | CPU s a Mpx |")
    print("|---|---|---|---|---|---|---|")
    for name in options.names:
        named, flops = NETWORKS[name], operations(name)
        work = flops * redundancy(named.field, named.stride)
        base = operations("unet") * redundancy(least.field, least.stride)
        print(
            f"| `{name}` | {named.parameters:,} | {named.stride} | ±{named.field} "
            f"| {flops / 1e3:.1f} | {work / base:.2f} × | {seconds[name]:.2f} |",
            flush=True,
        )


def operations(name: str) -> float:
    """Return the floating-point operations a pixel of the input; a multiply-add counts two."""
    bands = NETWORKS[name].options.get("bands", 3)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build(name, {}).eval()(torch.zeros(1, bands, 128, 128))
    return counter.get_total_flops() / 128**2


def redundancy(field: int, stride: int) -> float:
    """Return how often a pixel is computed in tiles whose halo covers the field."""
    halo = -(-field // stride) * stride
    return (TILE / (TILE - 2 * halo)) ** 2


def times(names: list[str], edge: int, rounds: int) -> dict[str, float]:
    """Return CPU seconds a million pixels of input."""
    best = dict.fromkeys(names, float("inf"))
    for _ in range(rounds):
        for name in names:
            bands = NETWORKS[name].options.get("bands", 3)
            network = folded(build(name, {}), bands).to(memory_format=torch.channels_last)
            pixels = torch.randn(1, bands, edge, edge).to(memory_format=torch.channels_last)
            with torch.inference_mode():
                network(pixels[..., :128, :128])
                started = time.process_time()
                network(pixels)
            best[name] = min(best[name], (time.process_time() - started) / edge**2 * 1e6)
    return best


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

"""./dev soak: random faults on a running gateway, and whether the promise was kept."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import tempfile
from pathlib import Path

from tests.faults.matrix import FAULTS
from tests.faults.soak import Soak
from tests.faults.tools import Missing
from tests.faults.world import in_a_world


def main() -> int:
    """Run the soak; 0: the promise was kept, 1: it was not, 2: it could not begin."""
    parser = argparse.ArgumentParser(prog="./dev soak", description="Random faults on a running gateway; an oracle judges.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (10)")
    parser.add_argument("--seed", type=int, help="of an earlier run: the same faults in the same order; else a new one, printed")
    parser.add_argument("--only", action="append", choices=sorted(FAULTS), help="this fault only; repeatable")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    soak = Soak(seed, given.only or ())
    print(f"soak: seed {seed}, {given.minutes:g} minutes, {len(given.only or FAULTS)} kinds of fault", flush=True)
    try:
        with in_a_world() as world:
            verdict = asyncio.run(soak.run(world, given.minutes, lambda line: print(line, flush=True)))
            statement = world.run("account", "--config", str(world.config)).stdout.decode()
            kept = _evidence(world.folder) if verdict.faults else None
    except Missing as missing:
        print(f"soak: {missing}")
        return 2
    print("\nFaults met: " + ", ".join(f"{name} {n}" for name, n in sorted(soak.met.items())))
    print(f"\nConservation statement of the gateway\n{statement}\nConservation statement of the oracle")
    print("\n".join(verdict.statement))
    if kept is None:
        print("The promise was kept.")
        return 0
    print("\nTHE PROMISE WAS BROKEN:\n" + "\n".join(verdict.faults))
    print(f"\nEverything is in {kept}; again: ./dev soak --minutes {given.minutes:g} --seed {seed}")
    return 1


def _evidence(folder: Path) -> Path:
    """What the run left behind, for whoever looks for the reason: logs, books of the receivers, the data folder."""
    kept = Path(tempfile.mkdtemp(prefix="wardlink-soak-"))
    sockets = shutil.ignore_patterns("*.sock")
    shutil.copytree(folder, kept / "world", ignore=sockets)
    return kept


if __name__ == "__main__":
    raise SystemExit(main())

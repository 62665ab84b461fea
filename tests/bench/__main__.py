"""./dev bench [NAME …]: run the benchmarks, all or those named; each prints its method's figures. Nothing is asserted."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    """Run each as a process of its own, so that none warms another's caches."""
    known = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    wanted = sys.argv[1:] or known
    if unknown := [name for name in wanted if name not in known]:
        print(f"bench: no {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    failed = 0
    for name in wanted:
        print(f"== {name}", flush=True)
        failed += (
            subprocess.run([sys.executable, "-m", f"tests.bench.bench_{name}"], check=False, cwd=FOLDER.parents[1]).returncode
            != 0
        )
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())

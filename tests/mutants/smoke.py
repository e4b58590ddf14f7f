#!/usr/bin/env python3
"""tools/mutate_kernels.py finds what it must: a few mutants of one file, of which each way to die,
and the list of equivalent ones, must take one. smoke.py SOURCE BUILD"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

WANTED = {"simt f32": r"pixel < s.pixels; pixel \+= blockDim.x\)",
          "contracts": r"global_avg_pool_fwd \| .* => if \(false\) return;",
          "counted f32": r"=> if \(c <= s.C\) \{",
          "equivalent": r"__syncthreads\(\); => void\(\)"}

source, build = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    result = Path(folder) / "result.json"
    subprocess.run([f"{source}/tools/mutate_kernels.py", "--build", build, "--file",
                    f"{source}/kernels/cuda/global_pool.cu", "--json", str(result), "--match",
                    "|".join(WANTED.values())], check=True)
    rows = json.loads(result.read_text())["mutants"]
found = {row["by"] or row["result"] for row in rows}
for row in rows:
    print(row["by"] or row["result"], row["how"], row["key"])
sys.exit(f"nothing was killed by {set(WANTED) - found}" if set(WANTED) - found else 0)

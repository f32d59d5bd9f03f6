"""`sbatch` and `srun` as small shell scripts, to run the job scripts of docs/cluster.md as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.command import ROOT, environment

PAGE = (ROOT / "docs" / "cluster.md").read_text("utf-8")
SBATCH = """#!/bin/bash
[[ $1 == --array=1-* ]] || { echo "sbatch: $1" >&2; exit 2; }
for ((task = 1; task <= ${1#--array=1-}; task++)); do
  SLURM_ARRAY_TASK_ID=$task bash "${@:2}" >> "slurm-$task.out" 2>&1 &  # all at once, as on a farm
  jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job" || failed=1; done
exit ${failed:-0}
"""
SRUN = '#!/bin/bash\nexec "$@"\n'


def submit(folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """Submit the array script of docs/cluster.md by the command there, in a folder that has `jobs`. Waits for its
    end."""
    (folder / "bin").mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN)):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    blocks = [text.removeprefix("bash\n") for text in PAGE.split("```")[1::2]]
    (folder / "array.sbatch").write_text(next(text for text in blocks if "# array.sbatch" in text))
    (command,) = re.findall(r"^sbatch --array.*", PAGE, re.MULTILINE)
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = environment() | {"PATH": path, "PYTHONPATH": str(ROOT)} | variables
    return subprocess.run(command, shell=True, cwd=folder, env=variables, capture_output=True, text=True, check=False)

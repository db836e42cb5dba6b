"""Runs the commands of a workflow's job as they stand there, in a fresh clone of the last commit.

    python3 .ci/job.py .github/workflows/deploy.yml package app=commerce-journeys

The last arguments are the values of the job's matrix. Steps that use an action are left out, except that the files which
are uploaded must exist. Needs PyYAML, git, and what the job itself needs (Rust, Python 3 for the job `package`).
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
# What a runner has: programs, a home folder, and no settings of this machine beside those of Rust.
KEPT = {"PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "TMPDIR"}


def filled(text, matrix):
    """The text with the values of the matrix. Other expressions are not known here."""
    text = re.sub(r"\$\{\{ *matrix\.(\w+) *\}\}", lambda found: matrix[found[1]], str(text))
    if "${{" in text:
        raise SystemExit(f"not known here: {text}")
    return text


def is_for(step, matrix):
    """Whether the step's condition holds: none, or a comparison with a value of the matrix."""
    condition = step.get("if")
    if condition is None:
        return True
    found = re.fullmatch(r"matrix\.(\w+) == '([^']*)'", condition)
    if not found:
        raise SystemExit(f"not known here: if: {condition}")
    return matrix[found[1]] == found[2]


def matrix_of(job, given):
    """The given values, and those that the job's matrix adds to them (`include`)."""
    for extra in job.get("strategy", {}).get("matrix", {}).get("include", []):
        if all(extra.get(name, value) == value for name, value in given.items()):
            given = {**extra, **given}
    return given


def run(step, folder, matrix):
    variables = {name: filled(value, matrix) for name, value in step.get("env", {}).items()}
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    command = filled(step["run"], matrix)
    print(f"$ {command.strip()}", flush=True)
    where = folder / step.get("working-directory", ".")
    subprocess.run(["bash", "-e", "-c", command], cwd=where, env={**kept, **variables, "CI": "true"}, check=True)


def check_uploads(step, folder, matrix):
    for path in filled(step["with"]["path"], matrix).split():
        file = folder / path
        # A job uploads some files for one value of its matrix only.
        print(f"{file.stat().st_size:>12}  {path}" if file.exists() else f"{'missing':>12}  {path}")
    if not any((folder / path).exists() for path in filled(step["with"]["path"], matrix).split()):
        raise SystemExit("there is nothing to upload")


def main(workflow, name, *values):
    job = yaml.safe_load(Path(workflow).read_text())["jobs"][name]
    matrix = matrix_of(job, dict(value.split("=", 1) for value in values))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        for step in job["steps"]:
            if not is_for(step, matrix):
                continue
            if "run" in step:
                run(step, folder, matrix)
            elif step["uses"].startswith("actions/upload-artifact@"):
                check_uploads(step, folder, matrix)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

"""Times a whole run, runs after changes, and the same SQL on Spark, on one lake and one machine.

The changes are those of a shop's usual day (its new orders and receipts, changes of those of the last weeks, two per mille of the
customers), and then of one per cent of everything.

Every figure is that of a whole process, start-up included, so that neither engine hides what it needs before it works.
Memory is the peak resident set of the process (of Spark: of its Java process).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path


USUAL_DAY = "0.002"
"""Share that changes in a day of a shop: the sales of a day are one in 730 of those that the lake has."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="prepare-data, built with --profile throughput")
    parser.add_argument("--folder", required=True, help="an empty folder with room for the lake and three results")
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--without-spark", action="store_true")
    parser.add_argument("--spark-memory", default="8g", help="heap of Spark's driver")
    parser.add_argument("--json", help="file for the figures")
    chosen = parser.parse_args()

    folder = Path(chosen.folder)
    lake, out = folder / "lake", folder / "prepared"
    program = [chosen.program]
    sizes = ["--customers", str(chosen.customers), "--lines", str(chosen.lines)]
    as_of = ["2026-11-15T00:00:00Z", "2026-11-16T00:00:00Z", "2026-11-17T00:00:00Z"]
    figures = {"customers": chosen.customers, "lines": chosen.lines, "cores": os.cpu_count()}

    measured([*program, "sample-lake", "--out", str(lake), "--as-of", as_of[0], *sizes], "make the lake")
    run = [*program, "run", "--lake", str(lake), "--out", str(out)]
    if not chosen.without_spark:
        spark = [sys.executable, str(Path(__file__).parent / "prepare.py"), "--lake", str(lake), "--out", str(folder / "spark")]
        os.environ["PYSPARK_SUBMIT_ARGS"] = f"--driver-memory {chosen.spark_memory} pyspark-shell"
        figures["spark"] = measured([*spark, "--set", f"as_of={as_of[0]}"], "the same SQL on Spark")
        shutil.rmtree(folder / "spark")
    figures["whole"] = measured([*run, "--as-of", as_of[0]], "a whole run")
    figures["unchanged"] = measured([*run, "--as-of", as_of[0]], "a run without changes")
    measured([*program, "sample-lake", "--out", str(lake), "--change", USUAL_DAY], "change as a shop does in a day")
    figures["day"] = measured([*run, "--as-of", as_of[1]], "a run after that")
    measured([*program, "sample-lake", "--out", str(lake), "--change", "0.01"], "change one per cent")
    figures["changes"] = measured([*run, "--as-of", as_of[2]], "a run after that")

    print(table(figures))
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(figures, indent=2) + "\n")


def measured(command: list[str], what: str) -> dict[str, float]:
    """Runs a command; its seconds, its processor seconds and its peak memory in MiB."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = Peak(process.pid)
    peak.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    peak.over.set()
    peak.join()
    if status != 0:
        sys.exit(f"cannot {what}: status {os.waitstatus_to_exitcode(status)}: {' '.join(command)}")
    print(f"{what}: {seconds:.1f} s", file=sys.stderr)
    return {"seconds": seconds, "processor_seconds": usage.ru_utime + usage.ru_stime, "peak_mib": peak.mib}


class Peak(threading.Thread):
    """Watches a process and its children, for a launcher's own memory says nothing."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.pid, self.mib, self.over = pid, 0.0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.mib = max([self.mib, *(resident(pid) for pid in family(self.pid))])


def family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(one for child in children for one in family(int(child)))]


def resident(pid: int) -> float:
    """The peak that the kernel kept for the process, in MiB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return max([0.0, *(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))])


def table(figures: dict) -> str:
    whole = figures["whole"]["seconds"]
    lines = ["| run | seconds | to a whole run | processor seconds | peak memory, MiB |", "|---|--:|--:|--:|--:|"]
    names = {"spark": "the same SQL on Spark", "whole": "whole", "day": "after a usual day", "changes": "after 1 % changed", "unchanged": "nothing changed"}
    for name, words in names.items():
        if name in figures:
            one = figures[name]
            lines.append(
                f"| {words} | {one['seconds']:.1f} | {one['seconds'] / whole:.2f} "
                f"| {one['processor_seconds']:.0f} | {one['peak_mib']:.0f} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

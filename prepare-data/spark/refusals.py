"""Checks that Spark refuses lakes: exit status 1 if it publishes one of them.

    python refusals.py --lakes FOLDER --out EMPTY
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from prepare import Preparation, local_session


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lakes", required=True, help="folder of lakes that must be refused")
    parser.add_argument("--out", required=True, help="folder for what is published wrongly")
    chosen = parser.parse_args()
    session = local_session(is_small=True)
    published = 0
    for lake in sorted(path for path in Path(chosen.lakes).iterdir() if path.is_dir()):
        try:
            Preparation(session, str(lake), out=f"{chosen.out}/{lake.name}").run()
        except Exception as error:  # Spark's own errors have no common class
            print(f"{lake.name}: refused: {str(error).splitlines()[0][:200]}")
        else:
            published += 1
            print(f"{lake.name}: PUBLISHED")
        session.catalog.clearCache()
    return 1 if published else 0


if __name__ == "__main__":
    sys.exit(main())

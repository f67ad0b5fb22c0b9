"""What a page costs with the embedded model, and whether its margins tell liked items from popularity-matched others.

python benchmarks/local_pages.py [--users 40] [--signal title|yesno] [--seed 0]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time

from recloop.agents import ScoreReader
from recloop.llm import open_model
from recloop.runs.progress import Silent
from recloop.simulations import SimulateConfig, prepare
from recloop.simulations.calibrate import calibrate


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=40)
    parser.add_argument("--signal", default="title", choices=["title", "yesno"])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    prepared = prepare(SimulateConfig(users=given.users, seed=given.seed, signal=given.signal))
    door = open_model("local/smollm2")
    reader = ScoreReader(door, prepared.world, signal=prepared.config.reads)
    await door.check()
    began, cpu = time.perf_counter(), time.process_time()
    calibrated = await calibrate(prepared, reader, Silent())
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    await door.close()
    report = calibrated.report
    print(
        json.dumps(
            {
                "signal": given.signal,
                "users": given.users,
                "seed": given.seed,
                "items_per_batch": prepared.config.calibration_items,
                "wall_s_per_batch": round(wall / given.users, 3),
                "cpu_s_per_batch": round(cpu / given.users, 3),
                "auc": [round(report[k], 3) for k in ("auc", "auc_low", "auc_high")],
                "rating_spearman": report["rating_spearman"],
                "uncalibrated_rate": report["uncalibrated_rate"],
                "load": round(os.getloadavg()[0], 2),
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main())

"""Runs in an interpreter with wandb: records runs offline in the folder it is started in."""

import math
import os
from pathlib import Path

import wandb

Path("f.txt").write_text("hi")
config = {"lr": 0.1, "net": {"depth": 3, "act": "relu"}}
run = wandb.init(project="proj", name="first", group="g", tags=["a", "b"], notes="hello", config=config, mode="offline")
for step in range(3000):
    run.log({"loss": 1 / (step + 1), "val/acc": step * 0.1, "odd": math.nan, "nested": {"deep": step}})
run.log({"loss": math.inf, "words": "x" * 40_000}, step=5000)
run.config.update({"late": True})
run.summary["best"] = 0.9
run.summary["verdict"] = "fine"
run.save("f.txt", base_path=".", policy="now")
run.finish()
failed = wandb.init(project="proj", id="failing", mode="offline")
failed.log({"loss": 1})
failed.finish(exit_code=3)
killed = wandb.init(project="other", name="killed", mode="offline", settings=wandb.Settings(console="off"))
for step in range(200):
    killed.log({"loss": step})
import time  # noqa: E402

deadline = time.monotonic() + 20
file = next(Path().glob(f"wandb/*{killed.id}/*.wandb"))
while file.stat().st_size < 1000 and time.monotonic() < deadline:
    time.sleep(0.1)
os._exit(9)

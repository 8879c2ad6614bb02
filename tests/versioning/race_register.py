"""Started by a test, twice at once: record the same five versions as fast as can be, and say what they became.

Each line of standard input names a model; ``numbered`` is one whose versions are asked for by their numbers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from versioning_samples import make_candidate

from mainspring.store.objects import walk
from mainspring.store.workspace import Workspace
from mainspring.versioning.artifact import pack
from mainspring.versioning.registration import Prepared, record
from mainspring.versioning.scratch import scratch

workspace = Workspace(Path(sys.argv[1]))
with scratch(workspace) as folder:
    signature = pack(make_candidate(), folder / "artifact").signature
    artifact = workspace.objects.put_folder(walk(folder / "artifact")).md5
print("ready", flush=True)
for line in sys.stdin:
    model = line.strip()
    found = [
        record(
            workspace,
            model,
            Prepared(artifact=artifact, evidence=f"{place:032x}", signature=signature, metrics={}),
            run_id=None,
            version=f"{9 - place}.0.0" if model == "numbered" else None,
            bump=None,
            actor="ada",
            reason="a race",
        )
        for place in range(5)
    ]
    told = {"versions": [one.version.version for one in found], "existing": [one.existing for one in found]}
    print(json.dumps(told), flush=True)
    print("ready", flush=True)

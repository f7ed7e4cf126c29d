"""What an annotator's kernel has loaded once it has done everything that an annotator does."""

from __future__ import annotations

import subprocess
import sys

from pipeline.project.folder import Project

WORK = """
import sys
from mlf_widgets import open_annotator
widget = open_annotator(sys.argv[1], "ada")
def ask(kind, **params):
    reply, _ = widget.answer({"id": "a", "kind": kind, "params": params})
    assert reply["ok"], reply
    return reply["result"]
info = ask("open")
ask("classes")
task = ask("tasks", positions=[0, 1])[0]
ask("image", position=0, max_side_px=64)
ask("images", positions=[0, 1], max_side_px=32)
ask("sprite", class_indices=[0, 1], group="")
ask("example", class_index=0, number=0, group="")
ask("grid", class_index=0, start=0, count=4, which="all")
ask("find", which="not_done", start=0, step=1)
event = {"event_id": "event-0001", "round": "annotation", "annotator": "ada", "image_number": task["image_number"],
         "kind": "none", "payload": {"value": True}, "shown": [], "active_ms": 1, "order": task["order"],
         "client_time": ""}
assert ask("save", events=[event])[0]["seq"]
ask("changes", since_seq=0)
print(sorted({"pandas", "torch", "scipy", "matplotlib", "pyarrow.dataset"} & set(sys.modules)))
"""


def test_a_session_at_work_loads_no_pandas_and_no_torch(project: Project) -> None:
    done = subprocess.run([sys.executable, "-c", WORK, str(project.root)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"

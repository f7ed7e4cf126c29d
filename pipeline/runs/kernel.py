"""What a stage's kernel is started with: `python -m pipeline.runs.kernel`.

`tqdm.auto` chooses its look when it is first imported: before IPython is, it chooses plain text, which the runner can
pass on to the terminal, where a widget would be neither seen there nor kept in the executed notebook.
"""

from __future__ import annotations

import tqdm.auto  # noqa: F401 - imported for its choice, before ipykernel

if __name__ == "__main__":
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance()

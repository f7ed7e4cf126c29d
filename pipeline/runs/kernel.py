"""The program that starts a stage's kernel: `python -m pipeline.runs.kernel`.

`tqdm.auto` chooses its style when it is first imported. Before IPython is imported, it chooses plain text, which the
runner can pass on to the terminal. A widget would neither be seen there nor be kept in the executed notebook.
"""

from __future__ import annotations

import tqdm.auto  # noqa: F401 - imported before ipykernel, so that it chooses plain text

if __name__ == "__main__":
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance()

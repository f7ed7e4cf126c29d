"""JupyterHub for the projects of `mlf hub`, which copies this file beside its state, once. The copy is yours to change.

`configure` sets everything; `pipeline/hub/configuration.py` explains each setting. Your own lines go below it, and stay
when multilabelfy is upgraded. `hub` holds what `mlf hub` knows (port, paths); it is written anew at each start.
"""

from pipeline.hub.configuration import configure

c = get_config()  # noqa: F821 - JupyterHub provides it

hub = configure(c)

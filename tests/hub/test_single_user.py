"""What a session's server loads: nothing of the Hub's own, which would cost each session time and memory."""

from __future__ import annotations

import subprocess
import sys

_STARTED = """
import sys
from pipeline.hub.single_user import server_main
assert callable(server_main())
print(sorted({name.partition(".")[0] for name in sys.modules} & {"alembic", "jupyterhub", "sqlalchemy"}))
import jupyterhub.orm, jupyterhub.handlers, sqlalchemy.exc
print(jupyterhub.orm.User.__name__, issubclass(sqlalchemy.exc.OperationalError, sqlalchemy.exc.SQLAlchemyError))
"""


def test_a_server_loads_no_database_and_an_extension_that_wants_one_gets_the_real_one() -> None:
    done = subprocess.run([sys.executable, "-c", _STARTED], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['jupyterhub']", "User True"]

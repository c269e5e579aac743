"""The client as it lies in the documentation, without being installed."""

from __future__ import annotations

import sys
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[2] / "docs/clients/python"
if str(PYTHON) not in sys.path:
    sys.path.insert(0, str(PYTHON))

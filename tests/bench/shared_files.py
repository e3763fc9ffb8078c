"""Where real faces, other people's models and network weights lie: no part of this repository."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("FACEBENCH_SHARED") or ROOT.parent / "shared")
INCEPTION = SHARED / "weights" / "inception_parity.pth"

"""Build a wheel from the sdist and check that it holds every file of the packages."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # `build` without --sdist or --wheel makes the wheel out of the sdist.
        command = [sys.executable, "-m", "build", "--outdir", folder, str(ROOT)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (wheel,) = Path(folder).glob("*.whl")
        held = set(zipfile.ZipFile(wheel).namelist())
    missing = sorted(_expected() - held)
    if missing:
        sys.exit("The wheel lacks:\n" + "\n".join(missing))
    sys.stdout.write(f"The wheel holds all {len(_expected())} files.\n")


def _expected() -> set[str]:
    command = ["git", "ls-files", "facebench", "adapters", "reports/facebench_reports"]
    tracked = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {name.removeprefix("adapters/").removeprefix("reports/") for name in tracked.split()}


if __name__ == "__main__":
    main()

"""How fast facebench is on a GPU, and whether it computes there what a CPU does: ten minutes.

    make gpu        # writes reports/leaderboard/GPU.md

It needs a GPU, torch, NumPy, SciPy, pytest, jaxtyping and click: no network and no weight file, and
nothing is installed. What another package would be needed for is left out, by name. Every part runs
in a process of its own, which is ended when its time is over; the page is written anew after every
case, so that what was measured is kept whatever happens.
"""

import contextlib
import datetime
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from gpu_page import PENDING, Record, append, left_out, read, write_page

if TYPE_CHECKING:
    from gpu_timing import Bench, Case

ROOT = Path(__file__).resolve().parents[2]
TESTS = "The tests marked gpu"
TEST_FILES = ("test_on_gpu.py", "test_programs_on_gpu.py")
PRETEND = "FACEBENCH_PRETENDED_GPU"
"""Names, in the environment, what the tests shall do without a GPU."""
MARGIN = 5  # seconds in which the rest is told


class Part(NamedTuple):
    """Cases that one process runs, within so many seconds: a function of a module names them."""

    title: str
    module: str
    seconds: float
    cases: str = "cases"


PARTS = (
    Part("Inception", "gpu_networks", 110),
    Part("Metrics", "gpu_metrics", 90),
    Part("End to end", "gpu_evaluation", 160),
    Part("Training", "gpu_training", 130),
    Part("Inception, compiled", "gpu_networks", 150, "compiled_cases"),
)
TEST_SECONDS = 150.0
EVERYTHING = "all of it"
NEEDS = "needs "


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the page.")
@click.option("--minutes", default=9.5, show_default=True, help="When everything ends.")
@click.option("--pretend", is_flag=True, help="Without a GPU: small sizes on a pretended one.")
@click.option("--part", hidden=True, help="Run the cases of this part alone, in this process.")
@click.option("--folder", type=click.Path(path_type=Path), hidden=True)
def main(
    out: Path | None, minutes: float, pretend: bool, part: str | None, folder: Path | None
) -> None:
    """Measure, and write the page."""
    if part and folder:
        run_part(next(each for each in PARTS if each.title == part), folder, out, pretend)
        return
    import torch

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # or a part would outlive this
    if not (pretend or torch.cuda.is_available()):
        raise click.ClickException("torch sees no GPU here: --pretend runs small sizes without.")
    with tempfile.TemporaryDirectory() as temporary:
        failed = measure(Path(temporary), out, time.monotonic() + 60 * minutes, pretend)
        click.echo(write_page(read(Path(temporary)), out))
    sys.exit(failed)


def measure(folder: Path, out: Path | None, end: float, pretend: bool) -> int:
    """Run everything, each part in a process of its own; return 1 if a test failed."""
    append(folder, Record("", text=machine(pretend)), out)
    environment = os.environ | {"PYTHONPATH": python_path(folder)}
    environment |= {PRETEND: "1"} if pretend else {}
    failed = run_tests(folder, out, environment, min(TEST_SECONDS, end - time.monotonic()))
    for part in PARTS:
        words = [sys.executable, __file__, "--part", part.title, "--folder", str(folder)]
        words += [*(["--out", str(out)] if out else []), *(["--pretend"] if pretend else [])]
        why = ended(words, min(part.seconds, end - time.monotonic() - MARGIN), environment)
        records = [record for record in read(folder) if record.part == part.title]
        missing = [case for case, known in left_out(records) if known == PENDING]
        for case in missing if records else [EVERYTHING]:
            append(folder, Record(part.title, case, left_out=why), out)
    return failed


def ended(words: Sequence[str], seconds: float, environment: Mapping[str, str]) -> str:
    """Run a process for as long as it may last; return what ended it, should cases be missing."""
    if seconds <= 0:
        return "no time was left"
    try:
        code = subprocess.run(words, env=environment, timeout=seconds, check=False).returncode
    except subprocess.TimeoutExpired:
        return f"the part was ended after {seconds:.0f} s"
    return f"the part ended with exit code {code}"


def run_tests(
    folder: Path, out: Path | None, environment: Mapping[str, str], seconds: float
) -> int:
    """Run the tests marked `gpu`; return 1 if one failed."""
    words = [sys.executable, "-m", "pytest", "-q", "-rfEs", "-m", "gpu"]
    words += ["--noconftest", "-o", "addopts=", "-o", "filterwarnings=", "-p", "no:cacheprovider"]
    words += [str(ROOT / "tests" / name) for name in TEST_FILES]
    with (folder / "tests.txt").open("w", encoding="utf-8") as said:
        try:
            code = subprocess.run(
                words,
                env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                timeout=seconds,
                check=False,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            ).returncode
        except subprocess.TimeoutExpired:
            code = 1
            said.write(f"\nended after {seconds:.0f} s\n")
    lines = (folder / "tests.txt").read_text(encoding="utf-8").splitlines() or ["no answer"]
    click.echo("\n".join(lines), err=True)
    told = [line for line in lines if line.startswith(("FAILED", "ERROR", "SKIPPED"))]
    text = "\n".join([lines[-1].strip("= "), "", *(f"- {line}" for line in told)]).rstrip()
    append(folder, Record(TESTS, text=text), out)
    return int(code != 0)


def run_part(part: Part, folder: Path, out: Path | None, pretend: bool) -> None:
    """Run the cases of one part, in this process; what fails leaves out its own lines."""
    from gpu_timing import Bench

    with contextlib.ExitStack() as stack:
        if pretend:
            from pretended_gpu import pretended_gpu

            stack.enter_context(pretended_gpu())
        bench, module = Bench(folder, pretend), import_module(part.module)
        append(folder, Record(part.title, headings=module.headings(bench)), out)
        cases = getattr(module, part.cases)(bench)
        for case in cases:
            append(folder, Record(part.title, case.name, left_out=PENDING), out)
        for case in cases:
            run_case(part, case, bench, out)


def run_case(part: Part, case: "Case", bench: "Bench", out: Path | None) -> None:
    """Add a case's rows, or why there are none."""
    try:
        for row in case.rows(bench):
            append(bench.folder, Record(part.title, case.name, (), row.cells, row.figures), out)
    except Exception as error:  # whatever this machine lacks, or its card refuses
        why = reason(error)
        if not why.startswith(NEEDS) and type(error).__name__ != "NotMeasured":
            traceback.print_exc()
        append(bench.folder, Record(part.title, case.name, left_out=why), out)


def reason(error: BaseException) -> str:
    """Return why a case failed, by the package that it needs where that is it."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            return f"{NEEDS}{cause.name.partition('.')[0].replace('_', '-')}"
        cause = cause.__cause__
    said = str(error).strip().partition("\n")[0]
    return said if type(error).__name__ == "NotMeasured" else f"{type(error).__name__}: {said}"


def machine(pretend: bool) -> str:
    """Say what the figures are of."""
    import torch

    if pretend:
        return "On a pretended GPU: this shows that everything runs, and its figures say nothing."
    card = torch.cuda.get_device_properties(0)
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return (
        f"{card.name} of {card.total_memory / 2**30:.0f} GiB, driver {driver()}; torch "
        f"{torch.__version__}, CUDA {torch.version.cuda}, cuDNN {cudnn}, "
        f"Python {sys.version.partition(' ')[0]}; {processor()}; {datetime.date.today()}."
    )


def driver() -> str:
    """Return the driver's version, as nvidia-smi tells it."""
    words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout
        return said.partition("\n")[0].strip()
    return "unknown"


def processor() -> str:
    """Return the CPU's name, and how many cores this process may use."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'a CPU'}, {len(os.sched_getaffinity(0))} cores"


def python_path(folder: Path) -> str:
    """Return where the parts, and the processes of samplers, find everything."""
    found = [ROOT, ROOT / "adapters", ROOT / "reports", ROOT / "tests"]
    try:
        distribution("facebench")
    except PackageNotFoundError:
        found.append(entry_points(folder / "declared"))
    return os.pathsep.join(filter(None, [*map(str, found), os.environ.get("PYTHONPATH")]))


def entry_points(folder: Path) -> Path:
    """Declare adapters where facebench is not installed, by what an installation would write."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    home = folder / f"facebench-{project['version']}.dist-info"
    home.mkdir(parents=True)
    about = f"Metadata-Version: 2.1\nName: facebench\nVersion: {project['version']}\n"
    (home / "METADATA").write_text(about, encoding="utf-8")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (home / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()

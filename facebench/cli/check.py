"""``facebench check``: does a sampler keep the contract?"""

import sys

import click

from facebench.errors import RowFailed
from facebench.options import device_option, limit_options, seed_option


@click.command()
@click.argument("model", metavar="NAME[=[ADAPTER[+OPTION=VALUE]:]PATH]")
@click.option(
    "--num", default=32, show_default=True, type=click.IntRange(4), metavar="IMAGES",
    help="Images to draw, several times each.",
)  # fmt: skip
@seed_option("Seed of the first image.")
@limit_options
@device_option
@click.option("--strict", is_flag=True, help="Let notes fail too.")
def check(
    model: str,
    num: int,
    seed: int,
    time_limit: float,
    memory_limit: float | None,
    sampler_threads: int | None,
    device: str | None,
    strict: bool,
) -> None:
    """Check that a model keeps the samplers' contract; one line a finding.

    The model runs in a process of its own, as in an evaluation; on a GPU a few images are compared
    with the CPU's. Exit code 0: it keeps the contract; 1: it does not; 2: it cannot be opened.

    \b
    Examples:
      facebench check dcgan
      facebench check mine=torchscript+latent=uniform+size=100:generator.pt
      facebench check theirs=images:their_samples.zip --num 100
    """
    from facebench.distributed.device import find_device
    from facebench.plugins.model_spec import parse_model
    from facebench.sandbox.limits import limits_of
    from facebench.sandbox.parent import examine

    limits = limits_of(time_limit, memory_limit, sampler_threads)
    named = parse_model(model)
    try:
        findings = examine(named, num, seed, limits, find_device(device))
    except RowFailed as error:
        click.echo(f"failed  process: {error}")
        sys.exit(1)
    for finding in findings:
        click.echo(f"{finding.level:6}  {finding.check}: {finding.text}")
    failing = ("failed", "note") if strict else ("failed",)
    informing = ("speed", "memory")
    if any(f.level in failing and f.check not in informing for f in findings):
        sys.exit(1)

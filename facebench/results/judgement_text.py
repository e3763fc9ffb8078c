"""What people judged, in sentences: for the terminal and for the board."""

from collections.abc import Iterator

from facebench.results.judgement import Estimate, Judgement

QUESTION = "Which of two pictures looks more like a photograph?"


def sentences(found: Judgement) -> Iterator[str]:
    """Yield what a reader of the strengths and error rates must know."""
    yield (
        f"{counted(found.pairs, 'pair')} and {counted(found.singles, 'single picture')} were "
        f"judged by {counted(found.judges, 'judge')}; {counted(found.skipped, 'question')} skipped."
    )
    if found.ties:
        yield f"In {percent(found.ties)} of pairs neither picture was preferred."
    if found.left:
        yield (
            f"Between equals the left picture is preferred in {percent(found.left)}; "
            "strengths allow for it."
        )
    if found.mistaken:
        yield f"Photographs were taken for generated in {percent(found.mistaken)} of judgements."
    if found.checks:
        yield (
            f"Attention checks, a photograph beside noise: {found.failed} of {found.checks} failed."
        )
    for each in found.left_out:
        yield (
            f"Left out: {counted(each.judges, 'judge')} ({counted(each.votes, 'vote')}) who "
            f"{each.why}."
        )
    if found.outdated:
        yield (
            f"{counted(found.outdated, 'vote')} on pictures that the board no longer has do not "
            "count."
        )
    yield from found.notes


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "vote"), counted(1200, "vote")
    ('1 vote', '1,200 votes')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: Estimate) -> str:
    """Return a share with its interval in per cent.

    >>> percent(Estimate(0.213, 0.17, 0.262))
    '21 % (17 – 26 %)'
    """
    if share.low is None or share.high is None:
        return f"{share.value:.0%}".replace("%", " %")
    return f"{100 * share.value:.0f} % ({100 * share.low:.0f} – {100 * share.high:.0f} %)"


def plain(estimate: Estimate | None, places: int = 2) -> tuple[str, str]:
    """Return a number and its interval as text; dashes and nothing where there is none.

    >>> plain(Estimate(-0.5, -1, 0.25))
    ('−0.50', '−1.00 – 0.25')
    """
    if estimate is None:
        return "—", ""
    value, *ends = (
        "" if x is None else f"{x:.{places}f}".replace("-", "\N{MINUS SIGN}")
        for x in (estimate.value, estimate.low, estimate.high)
    )
    return value, " – ".join(ends) if all(ends) else ""

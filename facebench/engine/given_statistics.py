"""Sets of which nothing but statistics is known: mean and covariance of their features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from facebench.data.statistics import Statistics, open_statistics
from facebench.errors import BadInput
from facebench.features.extractor import Extractor
from facebench.metrics.feature_sets import FeatureSet
from facebench.metrics.moments import Moments
from facebench.plugins.model_spec import STATISTICS
from facebench.text import shown


@dataclass(frozen=True, eq=False)
class StatisticsRow:
    """A file of statistics in a model's place."""

    name: str
    path: Path
    adapter: str = STATISTICS

    @property
    def target(self) -> str:
        """What a Result records of it."""
        return str(self.path)

    @cached_property
    def statistics(self) -> Statistics:
        """The file's content, read when it is first asked for."""
        return open_statistics(self.path)


@dataclass(frozen=True, eq=False)
class StatisticsSource:
    """What there is instead of images."""

    statistics: Statistics

    @property
    def digest(self) -> str:
        """The sha256 of the file."""
        return self.statistics.digest

    @property
    def note(self) -> str:
        """What must be said of numbers that come of it."""
        named = f"statistics of {shown(self.statistics.path.name)}, sha256 {self.digest[:12]}…"
        return f"{named}: where there is an interval, it is of the real images alone"

    def sets(self, networks: Sequence[Extractor]) -> Mapping[str, FeatureSet]:
        """Return the moments in each network's features, or raise BadInput where they lack.

        A file of another program's does not say how images were resized for the network.
        """
        found = {}
        for network in networks:
            there, name = self.statistics.moments, network.name
            if not self.statistics.names_extractor:  # which then says nothing of the way to resize
                name = name.partition("~")[0]
            moments = there.get(name)
            if moments is None:
                names = ", ".join(shown(name) for name in there)
                raise BadInput(
                    f"{self.statistics.path} holds statistics of {names}, not of {network.name}: "
                    "choose --extractor and --mode as they were made."
                )
            self._check_weights(network)
            count = self.statistics.count
            found[network.name] = FeatureSet.of_moments(Moments.of_covariance(*moments, count))
        return found

    def _check_weights(self, network: Extractor) -> None:
        """Refuse statistics of a network with other weights, where the file says which."""
        said, there = self.statistics.weights, weights_of(network)
        if said and said != there:
            raise BadInput(
                f"{self.statistics.path} was made with other weights of {network.name}: give the "
                "same --weights, or make it again with facebench stats export."
            )


def weights_of(network: Extractor) -> str:
    """Return the digest of each weight file, as a file of statistics says it."""
    return " ".join(f"{name}:{sha256}" for name, sha256 in sorted(network.weights.items()))

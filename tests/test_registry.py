from pathlib import Path
from typing import Any

import pytest

from facebench.errors import BadInput
from facebench.plugins import registry
from facebench.samplers.image_files import ImageFilesSampler


def install(folder: Path, package: str, entry: str, module: str) -> None:
    """Put a package on disk as pip would: its module, and its entry point for adapters."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[facebench.adapters]\n{entry}\n")
    (folder / f"{package}_plugin.py").write_text(module)


@pytest.mark.parametrize("kind", ["adapters", "trainers", "reporters"])
def test_names_are_sorted_and_unique(kind: str) -> None:
    names = registry.names(kind)
    assert names and names == sorted(set(names))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        BadInput, match=r"no adapter 'stylegan'; there are: dcgan, .*images, .*pca, .*vae"
    ):
        registry.find("adapters", "stylegan")


def test_load_opens_a_model_by_text_or_path(pictures: Path) -> None:
    sampler = registry.load("images", str(pictures))
    assert isinstance(sampler, ImageFilesSampler)
    assert sampler.sample([0]).shape == (1, 3, 20, 20)


def test_a_plug_in_is_found_as_soon_as_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "flowfaces" not in registry.names("adapters")
    install(tmp_path, "flowfaces", "flowfaces = flowfaces_plugin:open_flow", "open_flow = repr\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "flowfaces" in registry.names("adapters")
    assert registry.find("adapters", "flowfaces") is repr


def test_options_reach_the_adapter_and_unknown_ones_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = """
class Flow:
    def __init__(self, path, *, temperature="1", code=""):
        self.told = (path.name, temperature, code)
"""
    install(tmp_path, "flowfaces2", "flow2 = flowfaces2_plugin:Flow", module)
    monkeypatch.syspath_prepend(tmp_path)
    sampler: Any = registry.load("flow2", "m", {"temperature": "0.7"}, "a:b")
    assert sampler.told == ("m", "0.7", "a:b")
    for name in ("heat", "code"):
        with pytest.raises(BadInput, match=rf"no option '{name}'; there are: temperature\."):
            registry.load("flow2", "m", {name: "1"})
    with pytest.raises(BadInput, match=r"'pca' has no option 'size'; there are: none\."):
        registry.load("pca", "m", {"size": "1"})


@pytest.mark.parametrize(
    ("package", "wanted"), [("ghostfaces", "ghostfaces"), ("facebench", r"facebench\[ghost\]")]
)
def test_a_missing_package_names_the_pip_command(
    package: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, package, f"ghost = {package}_plugin:Ghost", "import no_such_package.deep\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        BadInput, match=rf"'ghost' needs .* 'no_such_package'.*pip install '{wanted}'"
    ):
        registry.find("adapters", "ghost")


def test_the_code_of_an_unknown_adapter_is_bad_input() -> None:
    with pytest.raises(BadInput, match="There is no adapter 'stylegan'"):
        registry.origin("stylegan")


def test_an_adapter_s_code_is_that_of_the_packages_that_come_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "pair", "left = pair_plugin:Left\nright = pair_base:Right", "")
    base = tmp_path / "pair_base.py"
    base.write_text("class Right: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    before, theirs = registry.origin("left"), registry.origin("vae")
    base.write_text("class Right: changed = True\n")
    assert registry.origin("left") != before
    assert registry.origin("vae") == theirs

import json
from pathlib import Path

import pytest

from facebench.errors import BadInput
from facebench.plugins import registry
from facebench.plugins.model_spec import Model, parse_models


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with two runs, a foreign folder and a file."""
    monkeypatch.chdir(tmp_path)
    for folder, config in (
        ("runs/pca", {"adapter": "pca"}),
        ("runs/mine", {"adapter": "vae"}),
        ("runs/odd", {"adapter": 3}),
        ("runs/list", ["pca"]),
    ):
        Path(folder).mkdir(parents=True)
        Path(folder, "config.json").write_text(json.dumps(config))
    Path("fakes").mkdir()
    Path("fakes/a.png").write_bytes(b"a")
    Path("fakes.zip").write_bytes(b"z")
    Path("odd:name").mkdir()
    Path("b, c,1@2+3=4.zip").touch()
    Path("b,c").mkdir()
    Path("b,c/nets.py").touch()
    Path("mod.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "models"),
    [
        ("pca", [Model("pca", "pca", Path("runs/pca"))]),
        ("a=runs/mine", [Model("a", "vae", Path("runs/mine"))]),
        ("a=images:fakes", [Model("a", "images", Path("fakes"))]),
        ("StyleGAN2+ada-v1.0=images:fakes.zip", [
            Model("StyleGAN2+ada-v1.0", "images", Path("fakes.zip")),
        ]),
        ("a=images:odd:name", [Model("a", "images", Path("odd:name"))]),
        (" pca , mine,", [
            Model("pca", "pca", Path("runs/pca")),
            Model("mine", "vae", Path("runs/mine")),
        ]),
        ("x=runs/pca,y=runs/pca", [
            Model("x", "pca", Path("runs/pca")),
            Model("y", "pca", Path("runs/pca")),
        ]),
        ("a=pca:runs/mine", [Model("a", "pca", Path("runs/mine"))]),
        ("a=images+range=tanh+layout=NHWC:fakes", [
            Model("a", "images", Path("fakes"), {"range": "tanh", "layout": "NHWC"}),
        ]),
        ("a=python:pkg.mod:draw", [
            Model("a", "python", Path("pkg.mod:draw"), code="pkg.mod:draw"),
        ]),
        ("a=torch+size=3:pkg.mod:net@fakes.zip", [
            Model("a", "torch", Path("fakes.zip"), {"size": "3"}, "pkg.mod:net"),
        ]),
        ("a=python:code/nets.py:draw", [
            Model("a", "python", Path("code/nets.py:draw"), code="code/nets.py:draw"),
        ]),
        ("a=python:./nets.py:draw", [
            Model("a", "python", Path("nets.py:draw"), code="nets.py:draw"),
        ]),
        ("a=torch:a+b=c:d e/nets.py:net@odd:name", [
            Model("a", "torch", Path("odd:name"), code="a+b=c:d e/nets.py:net"),
        ]),
        ("a=torch:größe:büild@fakes.zip", [
            Model("a", "torch", Path("fakes.zip"), code="größe:büild"),
        ]),
        ("a= images + range = tanh + Size=3 :fakes", [
            Model("a", "images", Path("fakes"), {"range": "tanh", "Size": "3"}),
        ]),
        ("a=images+range=x=y:fakes", [Model("a", "images", Path("fakes"), {"range": "x=y"})]),
        ("a=images:b, c,1@2+3=4.zip,d=pca:runs/pca", [
            Model("a", "images", Path("b, c,1@2+3=4.zip")),
            Model("d", "pca", Path("runs/pca")),
        ]),
        ("a=python:b,c/nets.py:draw,d=pca:runs/pca", [
            Model("a", "python", Path("b,c/nets.py:draw"), code="b,c/nets.py:draw"),
            Model("d", "pca", Path("runs/pca")),
        ]),
    ],
)  # fmt: skip
def test_every_form(text: str, models: list[Model]) -> None:
    assert parse_models(text) == models


@pytest.mark.parametrize(
    ("text", "path", "code"),
    [
        ("a=images:~/fakes.zip", "fakes.zip", ""),
        ("a=~/runs/pca", "runs/pca", ""),
        ("a=torch:mod:net@~/fakes.zip", "fakes.zip", "mod:net"),
        ("a=torch:~/mod.py:net@~/fakes.zip", "fakes.zip", "HOME/mod.py:net"),
        ("a=python:~/mod.py:net", "mod.py:net", "HOME/mod.py:net"),
    ],
)
def test_the_home_folder_is_known_wherever_a_path_begins(
    text: str, path: str, code: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(place))
    (model,) = parse_models(text)
    assert model.path == place / path
    assert model.code == code.replace("HOME", str(place))


def test_a_home_that_nobody_has_is_a_path_that_is_not_there() -> None:
    with pytest.raises(BadInput, match="at ~nobody-at-all/x: check the path"):
        parse_models("a=images:~nobody-at-all/x")


def test_an_existing_path_may_have_a_colon() -> None:
    Path("odd:name/config.json").write_text('{"adapter": "pca"}')
    assert parse_models("a=odd:name") == [Model("a", "pca", Path("odd:name"))]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no model"),
        (" , ", "names no model"),
        ("a b=fakes", "'a b' cannot name a model"),
        ("../a=fakes", "cannot name a model"),
        (".hidden=fakes", "cannot name a model"),
        ("=fakes", "cannot name a model"),
        ("a/b=fakes", "cannot name a model"),
        ("<b>=fakes", "cannot name a model"),
        ("x" * 101, "cannot name a model"),
        ("leaderboard=images:fakes", "cannot name a model"),
        ("a=", "no path"),
        ("a=images:", "no path"),
        ("vae", r"at runs/vae: train it with facebench train vae, or give vae=PATH"),
        ("unheard", r"at runs/unheard: give unheard=PATH or unheard=ADAPTER:PATH"),
        ("a=nowhere", "at nowhere: check the path"),
        ("a=images:nowhere", "at nowhere: check the path"),
        ("a=imges:fakes", "no adapter 'imges' .*dcgan, .*images, .*pca, .*vae"),
        ("a=torch:pkg:net@nowhere.pt", "at nowhere.pt: check the path"),
        ("a=torch:pkg:net()@fakes", r"at pkg:net\(\)@fakes: check the path"),
        ("a=images+size:fakes", r"'size' is not an option .*NAME=ADAPTER\+OPTION=VALUE:PATH"),
        ("a=images+=3:fakes", "'=3' is not an option"),
        ("a=images+a=1+a=2:fakes", "given twice"),
        ("a=" + "x" * 5000, "check the path"),
        ("a=" + "x," * 5000, "check the path"),
        ("a=python:mod.net", "check the path, or give a=python:mod:net$"),
        ("a=torch+size=3:mod.net@fakes.zip", r"or give a=torch\+size=3:mod:net@fakes\.zip$"),
        ("a=python:json.dumps", "or give a=python:json:dumps$"),
        ("a=images:fakes.tar", "at fakes.tar: check the path$"),
        ("a=python:./mod:net", r"or give a=python:\./mod\.py:net$"),
        ("a=python:mod", "or give a=python:mod:FUNCTION$"),
        ("a=torch:mod.py@fakes.zip", r"or give a=torch:mod\.py:FUNCTION@fakes\.zip$"),
        ("a=images", "at images: give a=images:PATH$"),
        ("a=images+range=tanh", r"give a=images\+range=tanh:PATH$"),
        ("a=images+range=:fakes", "'range=' is not an option"),
        ("a=images:C:\\faces", "a path of Windows is another here, /mnt/c/"),
        ("a=C:\\faces", "a path of Windows is another here, /mnt/c/"),
        ("runs/pca", "cannot name a model: .* as in NAME=runs/pca"),
        ("fakes.zip", r"at runs/fakes\.zip: give NAME=ADAPTER:fakes\.zip"),
        ("a=images:\0", "check the path"),
        ("a=fakes", r"no config\.json.*a=ADAPTER:fakes; there are: .*images"),
        ("odd", "does not say which adapter"),
        ("list", "does not say which adapter"),
    ],
)
def test_every_error(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why.replace("$", r"\.$")):
        parse_models(text)


def test_the_digest_is_of_what_the_model_is_made_of() -> None:
    before = Model("a", "images", Path("fakes")).digest()
    assert Model("b", "pca", Path("fakes")).digest() == before
    Path("fakes/a.png").write_bytes(b"b")
    assert Model("a", "images", Path("fakes")).digest() != before


@pytest.mark.parametrize("name", ["dcgan", "images", "pca", "vae"])
def test_the_built_in_adapters_are_registered(name: str) -> None:
    assert name in registry.names("adapters")

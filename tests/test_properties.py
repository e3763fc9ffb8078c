"""Whatever is typed or written, a parser gives a value or one sentence; never anything else."""

import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from facebench.data.dataset import FORMAT, open_dataset
from facebench.errors import BadInput
from facebench.plugins.model_spec import Model, parse_models
from facebench.results.result import Protocol, Result, Value, read_result, write_result
from facebench.samplers.latents import parse_shape
from facebench.samplers.pixels import Pixels
from facebench.sandbox.protocol import ProtocolError, read_header

# beartype looks at random items of lists and dictionaries while values are built.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
QUICK = settings(
    max_examples=60,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),  # explaining failures takes minutes
    # Files are written anew by every example, and the machine may be busy.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
WORDS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@QUICK
@given(st.text(max_size=60) | st.text("a=b:+,@./x", max_size=30))
def test_any_text_is_models_or_bad_input(text: str) -> None:
    try:
        models = parse_models(text)
    except BadInput:
        return
    assert all(isinstance(model, Model) for model in models)


@QUICK
@given(
    name=WORDS.filter(lambda name: name not in ("samples", "leaderboard")),
    options=st.dictionaries(st.sampled_from(["latent", "size", "range", "layout"]), WORDS),
    code=st.tuples(WORDS, WORDS).map(lambda pair: f"a{pair[0]}:f{pair[1]}"),
    is_alone=st.booleans(),
)
def test_what_is_said_in_a_spec_is_what_is_understood(
    name: str, options: dict[str, str], code: str, is_alone: bool, tmp_path: Path
) -> None:
    path = tmp_path / "w.pt"
    path.touch()
    said = "".join(f"+{key}={value}" for key, value in options.items())
    (model,) = parse_models(f"{name}=torch{said}:{code}{'' if is_alone else f'@{path}'}")
    expected = Path(code) if is_alone else path
    assert model == Model(name, "torch", expected, options, code)


@QUICK
@given(st.text(max_size=12) | st.text("0123456789x", max_size=12))
def test_any_text_is_a_latent_size_or_bad_input(text: str) -> None:
    try:
        shape = parse_shape(text)
    except BadInput:
        return
    assert "x".join(map(str, shape)) == "x".join(str(int(part)) for part in text.split("x"))


@QUICK
@given(st.text(max_size=12) | st.tuples(FINITE, FINITE).map(lambda pair: "..".join(map(str, pair))))
def test_any_text_is_a_range_or_bad_input(text: str) -> None:
    try:
        pixels = Pixels(text, "NCHW")
    except BadInput:
        return
    assert pixels.images(np.zeros((1, 3, 2, 2), np.float32)).dtype == np.uint8


@QUICK
@given(value=JSON)
def test_any_json_is_a_dataset_or_bad_input(value: Any, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps(value))
    with pytest.raises(BadInput):
        open_dataset(tmp_path)


@QUICK
@given(
    value=st.fixed_dictionaries(
        {
            "format": st.just(FORMAT), "count": JSON | st.just(2), "size": JSON | st.just(4),
            "digest": st.just("0") | JSON, "crop": st.just("none") | JSON,
            "filter": st.just("none") | JSON,
            "splits": st.dictionaries(
                st.sampled_from(["train", "holdout"]), st.lists(st.integers(-1, 3)) | JSON
            ),
        }
    )
)  # fmt: skip
def test_a_dataset_that_opens_has_what_it_says(value: dict[str, Any], tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((2, 3, 4, 4), np.uint8))
    (tmp_path / "dataset.json").write_text(json.dumps(value))
    try:
        dataset = open_dataset(tmp_path)
    except BadInput:
        return
    assert len(dataset) == value["count"] and dataset.size == value["size"]
    for split, (first, last) in value["splits"].items():
        assert len(dataset.split(split)) == last - first


VALUES = st.builds(
    Value,
    value=FINITE,
    error=st.none() | FINITE,
    low=st.none() | FINITE,
    high=st.none() | FINITE,
    groups=st.lists(FINITE, max_size=3).map(tuple),
)
TEXTS = st.dictionaries(WORDS, st.text(max_size=8), max_size=3)
RESULTS = st.builds(
    Result,
    model=WORDS,
    adapter=WORDS,
    path=st.text(max_size=8),
    model_digest=WORDS,
    first_seed=st.integers(0, 99),
    protocol=st.builds(Protocol, weights=TEXTS, **{
        key: WORDS for key in (
            "dataset", "dataset_digest", "split", "crop", "filter", "extractor", "precision",
            "layer", "mode",
        )
    }, **{key: st.integers(1, 999) for key in ("size", "num", "num_reference")}),
    metrics=st.dictionaries(WORDS, VALUES, max_size=3),
    notes=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    seconds=st.dictionaries(WORDS, FINITE, max_size=2),
    environment=TEXTS,
    command=st.text(max_size=8),
    created=WORDS,
)  # fmt: skip


@QUICK
@given(result=RESULTS)
def test_a_result_is_read_as_it_was_written(result: Result, tmp_path: Path) -> None:
    assert read_result(write_result(result, tmp_path)) == result


@QUICK
@given(result=RESULTS, data=st.data())
def test_a_result_changed_anywhere_is_a_result_or_bad_input(
    result: Result, data: st.DataObject, tmp_path: Path
) -> None:
    record = json.loads(write_result(result, tmp_path).read_text())
    place = data.draw(st.sampled_from([record, record["protocol"], record["metrics"]]))
    keys = st.sampled_from(sorted(place)) if place else st.text(max_size=4)
    place[data.draw(keys | st.text(max_size=4))] = data.draw(JSON)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(record))
    try:
        changed = read_result(path)
    except BadInput:
        return
    assert read_result(write_result(changed, tmp_path)) == changed


@QUICK
@given(st.binary(max_size=40))
def test_any_bytes_are_a_message_or_a_protocol_error(data: bytes) -> None:
    import io

    try:
        header = read_header(io.BytesIO(data))
    except ProtocolError:
        return
    assert header is None or isinstance(header["kind"], str)

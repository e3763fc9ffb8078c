"""What Keras 2 saved is opened as it was meant, or refused with a way out that is tried here."""

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import h5py
import numpy as np
import pytest

from facebench.errors import BadInput
from facebench.plugins.registry import load
from facebench_models.network import NetworkSampler

pytestmark = pytest.mark.tensorflow

HERE = Path(__file__).parent
NAMES = re.findall(r"@model\ndef (\w+)", (HERE / "keras2_models.py").read_text(encoding="utf-8"))
WRITE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from keras2_files import main
main(Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory, keras_process: Callable[..., list[str]]
) -> Path:
    """Give a folder of what Keras 2 wrote, see ``keras2_files.py``."""
    folder = tmp_path_factory.mktemp("keras2")
    keras_process(WRITE, HERE, folder, backend="tensorflow")
    return folder


def values(path: Path, z: np.ndarray, **options: str) -> np.ndarray:
    sampler = load("keras", path, {"range": "-1..1"} | options)
    assert isinstance(sampler, NetworkSampler)
    return sampler.forward(z)


def assert_answers(path: Path, folder: Path, name: str, **options: str) -> None:
    z = np.load(folder / "latents.npy")
    expected = np.load(folder / f"{name}.npy")
    assert expected.std() > 0.005
    np.testing.assert_allclose(values(path, z, **options), expected, atol=2e-6)


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_keras_2_answers_as_in_keras_2(name: str, suffix: str, written: Path) -> None:
    assert_answers(written / f"{name}.{suffix}", written, name)


@pytest.mark.parametrize("form", ["w", "new", "w/w.h5", "dcgan_graph"])
def test_so_do_weights_beside_an_architecture_and_a_saved_model(form: str, written: Path) -> None:
    assert_answers(written / form, written, "dcgan")


def test_a_layer_that_models_share_is_whole_in_hdf5(written: Path) -> None:
    assert_answers(written / "shared.h5", written, "shared")


def test_a_part_of_a_gan_is_chosen_by_name(written: Path) -> None:
    assert_answers(written / "gan.h5", written, "dcgan", part="generator")


# TensorFlow's tensors do not know NumPy 2's way of converting, which Keras uses when it saves.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("is_nested", [False, True])
def test_a_model_of_keras_3_may_have_been_compiled(is_nested: bool, tmp_path: Path) -> None:
    import keras
    from keras import layers

    network = keras.Sequential(
        [keras.Input((6,)), layers.Dense(48, activation="tanh"), layers.Reshape((4, 4, 3))]
    )
    network.compile(keras.optimizers.Adam(1e-4), keras.losses.BinaryCrossentropy(), ["accuracy"])
    whole = keras.Sequential([keras.Input((6,)), network]) if is_nested else network
    whole.save(tmp_path / "m.keras")
    z = np.ones((2, 6), np.float32)
    np.testing.assert_allclose(values(tmp_path / "m.keras", z), network(z).numpy(), atol=1e-6)


@pytest.mark.parametrize("number", [1, 4, 6])
def test_a_fixed_batch_is_filled_up_and_cut(number: int, written: Path) -> None:
    z = np.resize(np.load(written / "latents.npy"), (number, 6))
    expected = np.resize(np.load(written / "fixed_batch.npy"), (number, 8, 8, 3))
    for form in ("h5", "keras"):
        found = values(written / f"fixed_batch.{form}", z)
        np.testing.assert_allclose(found, expected, atol=2e-6)
    np.testing.assert_allclose(values(written / "fixed_batch_graph", z), expected, atol=2e-6)


@pytest.mark.parametrize("name", ["operators", "code"])
def test_the_way_out_of_what_may_carry_code_is_a_saved_model(name: str, written: Path) -> None:
    with pytest.raises(BadInput, match=r"may carry code.*save_format='tf'.*give that folder"):
        load("keras", written / f"{name}.h5")
    assert_answers(written / f"{name}_graph", written, name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gan.h5", r"\(n, 1\), which are not images: \+part= .* 'generator', 'discriminator'\."),
        ("labelled.h5", r"and 'label' \(n, 1\) to .*, where one latent makes one image: python:"),
        ("two.h5", r"\(n, 8, 8, 3\) and .*\(n, 4, 4, 3\), where one latent makes one image"),
        (
            "own_activation.h5",
            "calls the function 'twice', which is not an activation of Keras' own",
        ),
        ("own_code.h5", "calls the function of its own"),
        ("gone.h5", "'LocallyConnected2D', which may carry code or is not Keras' own"),
        ("shared.keras", r"weights of all layers .*: save the whole model as \.h5, or"),
        ("checkpoint", "a TensorFlow checkpoint, which has weights without a model; build"),
        (
            "checkpoint/ckpt.index",
            "a TensorFlow checkpoint, which has weights without a model; build",
        ),
        (".", r"holds several Keras models: name one of activated\.h5, activated\.keras, "),
        ("w/model.json", "it is JSON; an architecture goes beside"),
        ("dcgan_graph/saved_model.pb", "name the folder that it is in"),
    ],
)
def test_a_refusal_names_cause_and_way_out(name: str, says: str, written: Path) -> None:
    with pytest.raises(BadInput, match=says) as refused:
        load("keras", written / name)
    assert "\n" not in str(refused.value)


def test_a_part_that_is_not_there_is_answered_with_those_that_are(written: Path) -> None:
    with pytest.raises(BadInput, match=r"no model 'G' within it; there are: 'generator', 'discrim"):
        load("keras", written / "gan.h5", {"part": "G"})


def edited(source: Path, target: Path, edit: Callable[[Any], Any], version: str = "") -> Path:
    """Copy a full ``.h5`` with its architecture and version changed."""
    shutil.copy(source, target)
    with h5py.File(target, "a") as file:
        file.attrs["model_config"] = json.dumps(edit(json.loads(file.attrs["model_config"])))
        del file.attrs["keras_version"]
        if version:
            file.attrs["keras_version"] = version
    return target


def _as_a_list(config: Any) -> Any:
    """Return a Sequential as Keras 2.1 wrote it: a list of layers, the first with its shape."""
    return config | {"config": config["config"]["layers"][1:]}


def _in_old_words(config: Any) -> Any:
    text = json.dumps(config).replace('"BatchNormalization"', '"BatchNormalizationV1"')
    return json.loads(text.replace('"float32"', '{"class_name": "Policy", "config": {"name": '
                                   '"_infer"}}').replace("[null, 6]", '{"class_name": '
                                   '"TensorShape", "items": [null, 6]}'))  # fmt: skip


def _as_a_model(config: Any) -> Any:
    return json.loads(json.dumps(config).replace('"Functional"', '"Model"'))


@pytest.mark.parametrize(
    ("name", "edit", "version"),
    [
        ("dcgan", _as_a_list, ""),
        ("dcgan", _in_old_words, "2.2.4-tf"),
        ("functional", _as_a_model, "2.1.6"),
        ("ending_in_models", _as_a_model, "2.3.1"),
    ],
)
def test_older_words_mean_the_same(
    name: str, edit: Callable[[Any], Any], version: str, written: Path, tmp_path: Path
) -> None:
    path = edited(written / f"{name}.h5", tmp_path / "old.h5", edit, version)
    assert_answers(path, written, name)


def test_a_keras_file_of_tensorflow_2_12_is_laid_out_otherwise(
    written: Path, tmp_path: Path
) -> None:
    with ZipFile(written / "nested.keras") as new, ZipFile(tmp_path / "m.keras", "w") as old:
        config = new.read("config.json").replace(b"tf_keras.src.engine", b"keras.engine")
        old.writestr("config.json", config)
        old.writestr("metadata.json", '{"keras_version": "2.12.0"}')
        weights = io.BytesIO(new.read("model.weights.h5"))
        with h5py.File(weights, "a") as file:
            inner = file["layers/functional"]
            for group in (inner["layers/sequential"], inner, file):
                group.move("layers", "_layer_checkpoint_dependencies")
        old.writestr("model.weights.h5", weights.getvalue())
    assert_answers(tmp_path / "m.keras", written, "nested")


def _virtual(config: Any) -> Any:
    config["config"]["layers"][2]["config"]["virtual_batch_size"] = 2
    return config


@pytest.mark.parametrize(
    ("edit", "version", "says"),
    [
        (lambda config: config, "1.2.2", r"is of Keras 1\.2\.2, whose layers had other names"),
        (
            _virtual,
            "2.4.0",
            "BatchNormalization layer with 'virtual_batch_size=2', which Keras 3 does",
        ),
    ],
)
def test_words_without_translation_are_refused(
    edit: Callable[[Any], Any], version: str, says: str, written: Path, tmp_path: Path
) -> None:
    path = edited(written / "dcgan.h5", tmp_path / "old.h5", edit, version)
    with pytest.raises(BadInput, match=says):
        load("keras", path)


def test_mirrored_kernels_are_refused(written: Path, tmp_path: Path) -> None:
    shutil.copy(written / "dcgan.h5", tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        file["model_weights"].attrs["backend"] = "theano"
    with pytest.raises(BadInput, match="written on Theano, whose kernels are mirrored: load"):
        load("keras", tmp_path / "m.h5")


def test_the_architecture_beside_a_file_of_weights_is_among_its_files(written: Path) -> None:
    options = {"range": "-1..1"}
    beside = (written / "w" / "model.json",)
    assert load("keras", written / "w" / "w.h5", options).files == beside
    for whole in ("w", "dcgan.h5", "dcgan.keras", "dcgan_graph"):
        assert load("keras", written / whole, options).files == ()
    assert load("dcgan", written / "dcgan.keras").files == ()


def test_weights_alone_say_what_is_missing(written: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.h5"
    shutil.copy(written / "w" / "w.h5", weights)
    with pytest.raises(BadInput, match=r"weights only: put .*model\.to_json\(\) beside it as"):
        load("keras", weights)
    (tmp_path / "model.yaml").write_text("class_name: Sequential")
    with pytest.raises(BadInput, match=r"\(model\.yaml is not read: give it as JSON\)"):
        load("keras", weights)
    for name in ("a.json", "b.json"):
        shutil.copy(written / "w" / "model.json", tmp_path / name)
    with pytest.raises(BadInput, match=r"beside it are a\.json, b\.json: leave one of them"):
        load("keras", weights)


def test_an_unzipped_keras_file_is_opened_as_the_folder_that_it_is(
    written: Path, tmp_path: Path
) -> None:
    shutil.unpack_archive(written / "dcgan.keras", tmp_path / "dcgan.keras", "zip")
    assert_answers(tmp_path / "dcgan.keras", written, "dcgan")


def test_weights_without_a_model_and_signatures_by_other_names_are_said_so(tmp_path: Path) -> None:
    import tensorflow as tf

    class Drawer(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None, 6], tf.float32, "z")] * 2)  # type: ignore[untyped-decorator]
        def __call__(self, z: Any, label: Any) -> Any:
            return tf.reshape(tf.tile(z + label, [1, 8]), [-1, 4, 4, 3])

    drawer = Drawer()
    tf.saved_model.save(drawer, str(tmp_path / "draw"), signatures={"draw": drawer.__call__})
    tf.saved_model.save(drawer, str(tmp_path / "two"), signatures=drawer.__call__)
    with pytest.raises(BadInput, match=r"no signature serving_default .*\(signatures: 'draw'\)"):
        load("keras", tmp_path / "draw")
    with pytest.raises(
        BadInput, match=r"one batch of images, but 'z', 'z_1' to 'output_0': save it"
    ):
        load("keras", tmp_path / "two")

"""Other people's models, in every form that they come in."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from facebench.errors import BadInput
from facebench.plugins import registry
from facebench.plugins.model_spec import parse_models
from facebench.samplers.latents import draw
from facebench.samplers.pixels import Pixels
from facebench.testing import check_sampler

NETS = """
import numpy as np
from torch import nn

def generator():
    return nn.Sequential(
        nn.ConvTranspose2d(6, 8, 4), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh(),
    )

def grey(z):
    return np.repeat(np.repeat(np.tanh(z[:, :3, None, None]), 8, 2), 8, 3)

def by_seed(seeds):
    return np.stack([np.random.default_rng(s).random((8, 8, 3)) for s in seeds])

def with_file(seeds, path):
    return by_seed(seeds) * float(path.read_text())

def not_a_module():
    return 3

answer = 42
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a module of networks."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def trained() -> nn.Module:
    """Give the network of ``nets.generator`` with weights that are not its initial ones."""
    scope: dict[str, Any] = {}
    exec(NETS, scope)
    torch.manual_seed(0)
    network: nn.Module = scope["generator"]()
    network(torch.randn(32, 6, 1, 1) * 2)  # so that BatchNorm has seen something
    return network.eval()


def sample(text: str, seeds: range = range(5)) -> np.ndarray:
    (model,) = parse_models(f"a={text}")
    return model.open().sample(seeds)


def drawn(network: Callable[[Any], Any], latent: str = "normal") -> np.ndarray:
    z = draw(range(5), 6, latent).reshape(5, 6, 1, 1)
    with torch.no_grad():
        return Pixels("tanh", "NCHW").images(network(torch.from_numpy(z)).numpy())


def save_pt(network: nn.Module, path: Path) -> None:
    torch.save(network.state_dict(), path)


def save_wrapped(network: nn.Module, path: Path) -> None:
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, path)


def save_safetensors(network: nn.Module, path: Path) -> None:
    save_file(network.state_dict(), path)


@pytest.mark.parametrize("latent", ["normal", "uniform", "truncated"])
@pytest.mark.parametrize(
    ("save", "name"),
    [(save_pt, "w.pt"), (save_wrapped, "w.pth"), (save_safetensors, "w.safetensors")],
)
def test_a_factory_with_weights(
    save: Callable[[nn.Module, Path], None], name: str, latent: str, place: Path
) -> None:
    network = trained()
    save(network, place / name)
    images = sample(f"torch+latent={latent}+size=6x1x1:nets:generator@{name}")
    np.testing.assert_array_equal(images, drawn(network, latent))


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_torchscript(place: Path) -> None:
    network = trained()
    traced = torch.jit.trace(network, torch.zeros(1, 6, 1, 1))  # type: ignore[no-untyped-call]
    torch.jit.save(traced, place / "m.pt")
    np.testing.assert_array_equal(sample("torchscript+size=6x1x1:m.pt"), drawn(network))
    with pytest.raises(BadInput, match=r"m\.pt does not say how large .*\+size=100"):
        sample("torchscript:m.pt")
    with pytest.raises(BadInput, match=r"cannot be run on latents of shape \(n, 7, 1, 1\)"):
        sample("torchscript+size=7x1x1:m.pt")


def export(path: Path, batch: int, dynamic: bool) -> nn.Module:
    network = trained()
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    program = torch.export.export(network, (torch.zeros(batch, 6, 1, 1),), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return network


@pytest.mark.parametrize(("batch", "dynamic"), [(2, True), (4, False), (1, False)])
def test_export(batch: int, dynamic: bool, place: Path) -> None:
    network = export(place / "m.pt2", batch, dynamic)
    np.testing.assert_allclose(sample("export:m.pt2"), drawn(network), atol=1)


def edited(source: Path, target: Path, member: str, edit: Callable[[Any], Any]) -> None:
    """Copy an archive with one member's JSON changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith(member):
                data = json.dumps(edit(json.loads(data))).encode()
            new.writestr(name, data)


def _pickled_weight(config: Any) -> Any:
    next(iter(config["config"].values()))["use_pickle"] = True
    return config


def _custom_object(config: Any) -> Any:
    config["config"]["x"] = {"path_name": "custom_obj_0", "use_pickle": False}
    return config


def _system(graph: Any) -> Any:
    graph["graph_module"]["graph"]["nodes"][0]["target"] = "torch.os.system"
    return graph


def _from_file(graph: Any) -> Any:
    graph["graph_module"]["graph"]["nodes"][0]["target"] = "torch.ops.aten.from_file.default"
    return graph


def _evil_size(graph: Any) -> Any:
    text = json.dumps(graph).replace(
        "Symbol('s", "__import__('os').system('touch executed') or Symbol('s"
    )
    return json.loads(text)


@pytest.mark.parametrize(
    ("member", "edit", "says"),
    [
        ("model_weights_config.json", _pickled_weight, "pickled: it is not loaded"),
        ("model_constants_config.json", _custom_object, "'x' pickled"),
        ("model.json", _system, "'torch.os.system', which is not a plain operator"),
        ("model.json", _from_file, "from_file"),
        ("model.json", _evil_size, "which is not plain"),
    ],
)
def test_what_torch_export_would_execute_is_refused(
    member: str, edit: Callable[[Any], Any], says: str, place: Path
) -> None:
    export(place / "m.pt2", 2, True)
    edited(place / "m.pt2", place / "evil.pt2", member, edit)
    with pytest.raises(BadInput, match=says):
        sample("export:evil.pt2")
    assert not (place / "executed").exists()


def test_pickled_sample_inputs_and_compiled_libraries_are_refused(place: Path, trap: Any) -> None:
    export(place / "m.pt2", 2, True)
    for member, data in (
        ("m/data/sample_inputs/model.pt", trap.torch_bytes),
        ("m/data/aotinductor/m/m.so", b"\x7fELF"),
        ("m/data/weights/model.pt", trap.torch_bytes),
    ):
        with zipfile.ZipFile(place / "m.pt2") as old, zipfile.ZipFile("evil.pt2", "w") as new:
            for name in old.namelist():
                if name != member:
                    new.writestr(name, old.read(name))
            new.writestr(member, data)
        with pytest.raises(BadInput, match=r"evil\.pt2"):
            sample("export:evil.pt2")
        assert not trap.executed


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporter's own dependencies
@pytest.mark.parametrize("declared", [6, "d"])
def test_onnx(declared: int | str, place: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    weight = np.random.default_rng(0).normal(size=(6, 3, 4, 4)).astype(np.float32)
    node = helper.make_node("ConvTranspose", ["z", "w"], ["x"])
    nodes = [node, helper.make_node("Tanh", ["x"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", declared, 1, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.ravel())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, place / "m.onnx")
    size = "" if declared == 6 else "+size=6x1x1"
    images = sample(f"onnx{size}:m.onnx")
    values = np.tanh(np.einsum("nc,cdhw->ndhw", draw(range(5), 6, "normal"), weight))
    np.testing.assert_allclose(images, Pixels("tanh", "NCHW").images(values), atol=1)
    if size:
        with pytest.raises(BadInput, match="does not say how large"):
            sample("onnx:m.onnx")


def keras_network() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(4 * 4 * 5),
            layers.Reshape((4, 4, 5)),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh"),
        ]
    )
    network(np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32), training=True)
    return network


def keras_files(network: Any, kind: str, place: Path) -> str:
    """Save `network` as `kind` and return how to open it."""
    if kind in ("m.keras", "m.h5"):
        network.save(place / kind)
        return kind
    if kind == "saved":
        network.export(place / "saved", verbose=False)
        return kind
    folder = place / "parts"
    folder.mkdir()
    (folder / "model.json").write_text(network.to_json())
    if kind == "m.weights.h5":
        network.save_weights(folder / kind)
    else:
        import h5py

        with h5py.File(folder / "w.h5", "w") as file:  # as Keras 2's save_weights wrote it
            file.attrs["layer_names"] = [layer.name for layer in network.layers]
            for layer in network.layers:
                group = file.create_group(layer.name)
                variables = layer.trainable_weights + layer.non_trainable_weights
                names = [f"{layer.name}/{variable.name}:0" for variable in variables]
                group.attrs["weight_names"] = names
                for name, variable in zip(names, variables, strict=True):
                    group[name] = variable.numpy()
    return "parts"


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # in Keras' saving
@pytest.mark.parametrize("kind", ["m.keras", "m.h5", "saved", "m.weights.h5", "w.h5"])
def test_keras(kind: str, place: Path) -> None:
    network = keras_network()
    target = keras_files(network, kind, place)
    size = "+size=6" if kind == "saved" else ""
    images = sample(f"keras{size}:{target}")
    values = network(draw(range(5), 6, "normal"), training=False).numpy()
    np.testing.assert_allclose(images, Pixels("tanh", "NHWC").images(values), atol=1)


@pytest.mark.tensorflow
@pytest.mark.parametrize("kind", ["m.keras", "m.h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_lambda_layers_and_foreign_classes_are_refused(kind: str, place: Path) -> None:
    import keras

    network = keras.Sequential([keras.layers.Input((6,)), keras.layers.Lambda(lambda x: x * 2)])
    network.save(place / kind)
    with pytest.raises(BadInput, match="'Lambda', which may carry code"):
        sample(f"keras:{kind}")


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "config",
    [
        {"class_name": "Sequential", "config": {"layers": [{"class_name": "TFSMLayer"}]}},
        {"class_name": "function", "config": "get_file", "module": "keras.utils"},
        {"class_name": "system", "module": "os", "config": {}},
        {"class_name": "TorchModuleWrapper", "config": {"module": "…"}},
        {"class_name": "TextVectorization", "config": {"vocabulary": "/etc/passwd"}},
    ],
)
def test_gadgets_in_an_architecture_are_refused(config: object, place: Path) -> None:
    (place / "parts").mkdir()
    (place / "parts" / "model.json").write_text(json.dumps({"class_name": "x", "config": config}))
    import h5py

    with h5py.File(place / "parts" / "w.h5", "w") as file:
        file.attrs["layer_names"] = np.zeros(0)
    with pytest.raises(BadInput, match=r"may carry code|only Keras' own|calls the function"):
        sample("keras:parts")


@pytest.mark.tensorflow
def test_a_saved_model_that_writes_files_is_refused(place: Path) -> None:
    import tensorflow as tf

    class Writer(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None, 6], tf.float32)])  # type: ignore[untyped-decorator]
        def __call__(self, z: Any) -> Any:
            tf.io.write_file(str(place / "executed"), "x")
            return tf.reshape(tf.tile(z, [1, 8]), [-1, 4, 4, 3])

    writer = Writer()
    tf.saved_model.save(writer, str(place / "saved"), signatures=writer.__call__)
    with pytest.raises(BadInput, match="'WriteFile', which reaches outside"):
        sample("keras+size=6:saved")
    assert not (place / "executed").exists()


@pytest.mark.tensorflow
@pytest.mark.parametrize("step", ["layer", "middle", "weight", "virtual"])
def test_weights_of_another_hdf5_file_are_not_followed(step: str, place: Path) -> None:
    import h5py

    keras_files(keras_network(), "w.h5", place)
    outside = place / "parts" / "other.hdf"
    with h5py.File(place / "parts" / "w.h5", "a") as file:
        layer = file.attrs["layer_names"][0]
        name = file[layer].attrs["weight_names"][0]
        with h5py.File(outside, "w") as other:
            file.copy(layer, other)
        path = {"layer": layer, "middle": f"{layer}/{name.partition('/')[0]}"}
        where = path.get(step, f"{layer}/{name}")
        shape, attributes = file[f"{layer}/{name}"].shape, dict(file[layer].attrs)
        del file[where]
        if step == "virtual":
            layout = h5py.VirtualLayout(shape, np.float32)
            layout[:] = h5py.VirtualSource(outside, where, shape)
            file.create_virtual_dataset(where, layout)
        else:
            file[where] = h5py.ExternalLink(outside.name, where)
        assert step == "layer" or attributes.keys() == file[layer].attrs.keys()
    with pytest.raises(BadInput, match="from another file"):
        sample("keras:parts")


def test_python_functions_of_latents_and_of_seeds(place: Path) -> None:
    z = draw(range(5), 3, "uniform")
    images = sample("python+latent=uniform+size=3+range=tanh:nets:grey")
    np.testing.assert_array_equal(images[:, :, 0, 0], Pixels("tanh", "NCHW").images(
        np.tanh(z)[:, :, None, None])[:, :, 0, 0])  # fmt: skip
    by_seed = sample("python+takes=seeds+range=sigmoid+layout=NHWC:nets:by_seed")
    expected = np.rint(
        np.random.default_rng(4).random(
            (8, 8, 3),
        )
        * 255
    )
    np.testing.assert_allclose(by_seed[4].transpose(1, 2, 0), expected, atol=1)
    (place / "half.txt").write_text("0.5")
    half = sample("python+takes=seeds+range=sigmoid+layout=NHWC:nets:with_file@half.txt")
    np.testing.assert_allclose(half, by_seed / 2, atol=1)


def test_the_digest_is_of_code_and_options_too(place: Path) -> None:
    def digest(text: str) -> str:
        (model,) = parse_models(text)
        return model.digest()

    first = digest("a=python+takes=seeds:nets:by_seed")
    assert digest("b=python+takes=seeds:nets:by_seed") == first
    assert digest("a=python+takes=latents:nets:by_seed") != first


@pytest.mark.parametrize("suffix", [".npz", ".skops"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_sklearn_pca(suffix: str, layout: str, place: Path) -> None:
    import skops.io
    from sklearn.decomposition import PCA

    rows = np.random.default_rng(0).random((40, 4, 4, 3)) * 0.8 + 0.1
    shaped = rows if layout == "NHWC" else rows.transpose(0, 3, 1, 2)
    pca = PCA(6).fit(shaped.reshape(40, -1))
    path = place / f"m{suffix}"
    if suffix == ".skops":
        skops.io.dump(pca, path)
    else:
        np.savez(
            path, mean=pca.mean_, components=pca.components_, variances=pca.explained_variance_
        )
    images = sample(f"sklearn-pca+layout={layout}:m{suffix}")
    scaled = np.sqrt(pca.explained_variance_)[:, None] * pca.components_
    values = pca.mean_ + draw(range(5), 6, "normal") @ scaled
    expected = Pixels("0..1", layout).images(values.reshape(5, *shaped.shape[1:]))
    np.testing.assert_allclose(images, expected, atol=1)
    with pytest.raises(BadInput, match="range=sigmoid does"):
        sample(f"sklearn-pca+layout={layout}+range=uint8:m{suffix}")


@pytest.mark.filterwarnings("ignore")  # diffusers and its dependencies warn about each other
@pytest.mark.parametrize(("kind", "steps"), [("DDPM", "2"), ("DDIM", "3")])
def test_diffusers(kind: str, steps: str, place: Path) -> None:
    import diffusers

    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(  # type: ignore[no-untyped-call]
        sample_size=8,
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4,
        layers_per_block=1,
    )
    scheduler = getattr(diffusers, f"{kind}Scheduler")(num_train_timesteps=20)
    pipeline = getattr(diffusers, f"{kind}Pipeline")(unet, scheduler)
    pipeline.save_pretrained(place / "m")
    (model,) = parse_models(f"a=diffusers+steps={steps}:m")
    sampler = model.open()
    images = sampler.sample(range(3))
    np.testing.assert_allclose(sampler.sample([2]), images[2:], atol=1)
    pipeline.set_progress_bar_config(disable=True)
    own = pipeline(
        batch_size=1,
        generator=[torch.Generator().manual_seed(2)],
        num_inference_steps=int(steps),
        output_type="np",
    ).images
    np.testing.assert_allclose(images[2].transpose(1, 2, 0), own[0] * 255, atol=1)
    other = parse_models("a=diffusers+steps=1:m")[0].open().sample([2])
    assert (other != images[2:]).any()


def pipeline(**config: Any) -> None:
    """Save a folder that is a pipeline but for `config`."""
    index = {"_class_name": config.pop("kind", "DDPMPipeline")}
    Path("m/unet").mkdir(parents=True)
    Path("m/scheduler").mkdir()
    Path("m/model_index.json").write_text(json.dumps(index))
    Path("m/scheduler/scheduler_config.json").write_text("{}")
    if config:
        import diffusers

        small: dict[str, Any] = {"block_out_channels": (8,), "down_block_types": ("DownBlock2D",)}
        small |= {"up_block_types": ("UpBlock2D",), "norm_num_groups": 4, "sample_size": 8}
        unet: Any = diffusers.UNet2DModel
        unet(**small, **config).save_pretrained("m/unet")


@pytest.mark.filterwarnings("ignore")  # diffusers and its dependencies warn about each other
@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"kind": "StableDiffusionPipeline"}, "is a StableDiffusionPipeline, not an unconditional"),
        ({}, r"has no unet/\*\.safetensors: .*save_pretrained\(FOLDER, safe_serialization=True\)"),
        ({"num_class_embeds": 3}, "wants a class for every image"),
        ({"in_channels": 4, "out_channels": 4}, "4 channels, not RGB or grey"),
    ],
)
def test_pipelines_that_are_not_unconditional_are_refused(
    config: dict[str, Any], says: str, place: Path
) -> None:
    pipeline(**config)
    with pytest.raises(BadInput, match=says):
        sample("diffusers+steps=1:m")


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("torch+size=6:w.pt", "takes a path|takes a function and its weights"),
        ("torch+size=6:nets:generator", "takes a function and its weights"),
        ("torch+size=6:nets:missing@w.pt", "no function 'missing'"),
        ("torch+size=6:nets:answer@w.pt", "no function 'answer'"),
        ("torch+size=6:unheard:f@w.pt", "cannot be imported"),
        ("torch+size=6:nets:not_a_module@w.pt", "returned int, not a torch module"),
        ("torch+size=6+unused=x:nets:generator@w.pt", "no unused='x'"),
        ("torch:nets:generator@w.pt", "does not say how large"),
        ("torch+size=6x1x1+range=sigmoid:nets:generator@w.pt", "range=tanh does"),
        ("torch+size=6x1x1+layout=NHWC:nets:generator@w.pt", "layout=NCHW fits"),
        ("torch+size=6+colour=red:nets:generator@w.pt", "no option 'colour'; there are: key, lat"),
        ("torch+size=6x1x1:nets:generator@half.pt", r"lacks weights .* 3\.bias, 3\.weight"),
        ("torch+size=6x1x1:nets:generator@more.pt", "no place for .encoder.*unused=allow"),
        ("torch+size=6x1x1:nets:generator@list.pt", "no state dictionary"),
        ("torch+size=6x1x1:nets:generator@pickle.pt", "without other objects"),
        ("torch+size=6x1x1:nets:generator@lies.safetensors", "lies.safetensors is not"),
        ("images:nets:generator", "There is no model|takes a path"),
        ("images+size=3:w.pt", "no option 'size'"),
        ("python:nets.py", "takes a function"),
        ("python+takes=x:nets:grey", "no takes='x'"),
        ("python+takes=seeds:nets:by_seed@w.pt", "takes one argument"),
        ("python+takes=seeds+layout=NHWC:nets:by_seed", "fit range=uint8: range=sigmoid does"),
        ("python+takes=seeds+range=tanh+layout=NHWC:nets:by_seed", "range=sigmoid does"),
        ("sklearn-pca:w.pt", "is not a PCA"),
        ("onnx:w.pt", "is not an ONNX model"),
        ("keras:w.pt", "is not a Keras model"),
        ("export:w.pt", "is not a torch.export program|holds"),
        ("torchscript+size=6:nets.py", "is not a TorchScript model"),
        ("diffusers:parts", "not an unconditional pipeline|not readable"),
    ],
)
def test_every_refusal_is_a_sentence(text: str, says: str, place: Path, trap: Any) -> None:
    state = trained().state_dict()
    torch.save(state, "w.pt")
    torch.save({k: v for k, v in state.items() if not k.startswith("3.")}, "half.pt")
    torch.save(state | {"encoder": torch.zeros(1)}, "more.pt")
    torch.save([1, 2], "list.pt")
    (place / "pickle.pt").write_bytes(trap.torch_bytes)
    header = json.dumps({"0.bias": {"dtype": "F32", "shape": [8], "data_offsets": [0, 1 << 40]}})
    lies = len(header).to_bytes(8, "little") + header.encode()
    (place / "lies.safetensors").write_bytes(lies)
    (place / "parts").mkdir()
    with pytest.raises(BadInput, match=says) as refused:
        sample(text)
    assert "\n" not in str(refused.value)
    assert not trap.executed


@pytest.mark.tensorflow
def test_the_strangers_models_keep_the_contract(shared: Path, place: Path) -> None:
    code = (Path(__file__).parents[1] / "docs" / "strangers.py").read_text(encoding="utf-8")
    (place / "strangers.py").write_text(code)
    (place / "generators").symlink_to(shared / "generators")
    texts = (
        "torch+latent=uniform+size=100x1x1:strangers:dcgan@generators/dcgan32_uniform100.pt",
        "torch+size=32+range=sigmoid+unused=allow:strangers:vae@generators/vae64_normal32.pth",
        "keras+latent=pca+range=sigmoid:generators/keras_decoder64_normal27",
    )
    for text, size in zip(texts, (32, 64, 64), strict=True):
        (model,) = parse_models(f"a={text}")
        report = check_sampler(model.open(), num=24)
        assert report.ok, report.findings
        assert sample(text).shape == (5, 3, size, size)


def test_every_adapter_for_models_is_registered() -> None:
    kinds = {"diffusers", "export", "keras", "onnx", "python", "sklearn-pca", "torch"}
    assert kinds | {"torchscript"} <= set(registry.names("adapters"))


def test_a_long_number_does_not_stall_the_reader_of_exported_programs() -> None:
    from facebench_models.exported import is_plain_size

    assert is_plain_size("Mod(s0 + 12, 3)") and not is_plain_size("1" * 500 + "!")

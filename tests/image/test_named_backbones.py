import pickle
import socket

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from torchlearners.data import ImageColumn
from torchlearners.exceptions import ArchitectureError, WeightsError
from torchlearners.image import (
    ImageClassifier,
    ImageEncoder,
    ImageRegressor,
    NamedBackbone,
    list_backbones,
)
from torchlearners.storage import read_state, write_state

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
Y = np.arange(24) % 3
SMALL = ["timm:test_resnet", "timm:test_vit", "torchvision:shufflenet_v2_x0_5"]
CONSTANTS = {
    "timm:test_resnet": 0.5,
    "timm:test_vit": 0.5,
    "torchvision:shufflenet_v2_x0_5": 0.485,
}


def quick(backbone, **params):
    settings = {"max_epochs": 1, "random_state": 0, "early_stopping": False, **params}
    return ImageClassifier(backbone, **settings)


def backbone_of(learner):
    return learner.net_.module_.get_submodule("backbone")


# Without the libraries


def test_own_names_are_listed_without_any_library():
    assert list_backbones() == ["cnn", "convnext", "resnet", "vit"]
    with pytest.raises(ValueError, match=r"source='tim'.*Did you mean 'timm'"):
        list_backbones("tim")


def test_a_name_of_no_library_is_told():
    with pytest.raises(ArchitectureError, match=r"no library.*Did you mean 'timm'"):
        quick("tim:resnet18").fit(X, Y)
    with pytest.raises(ArchitectureError, match="Did you mean 'resnet'"):
        quick("resnt").fit(X, Y)


@pytest.mark.parametrize("pretrained", [True, "weights.pt"])
def test_own_networks_have_no_pretrained_weights(pretrained):
    with pytest.raises(ArchitectureError, match=r"timm and torchvision.*got CNN\(\)"):
        quick("cnn", pretrained=pretrained).fit(X, Y)
    with pytest.raises(ArchitectureError, match="timm and torchvision"):
        ImageEncoder("cnn", pretrained=pretrained).fit(X)


def test_tables_are_no_images():
    with pytest.raises(ValueError, match="taken for a table"):
        quick("timm:resnet18").fit(np.eye(10), np.arange(10) % 2)


def test_options_are_parameters_of_the_learner():
    learner = quick("timm:resnet18").set_params(backbone__options={"drop_rate": 0.1})
    assert isinstance(learner.backbone, NamedBackbone)
    assert learner.backbone.name == "timm:resnet18"
    assert learner.get_params()["backbone__options"] == {"drop_rate": 0.1}


# With them


@pytest.mark.vision
@pytest.mark.parametrize("name", SMALL)
def test_a_network_of_a_library_is_fitted_stored_and_copied(name, tmp_path):
    learner = quick(name).fit(X, Y)
    expected = learner.predict_proba(X)
    assert expected.shape == (24, 3)
    again = clone(learner).fit(X, Y).predict_proba(X)
    assert np.array_equal(again, expected)
    copy = pickle.loads(pickle.dumps(learner))
    assert np.array_equal(copy.predict_proba(X), expected)
    write_state(tmp_path / "learner", learner.__getstate__(), kind="learner")
    loaded = ImageClassifier.__new__(ImageClassifier)
    loaded.__setstate__(read_state(tmp_path / "learner", kind="learner"))
    assert np.array_equal(loaded.predict_proba(X), expected)


@pytest.mark.vision
def test_networks_with_outputs_beside_the_last_layer_are_fitted():
    assert quick("torchvision:googlenet").fit(X, Y).predict(X).shape == (24,)


@pytest.mark.vision
def test_gray_images_and_numbers():
    gray = X[..., 0]
    for name in SMALL:
        learner = ImageRegressor(name, max_epochs=1, random_state=0)
        assert learner.fit(gray, Y * 1.0).predict(gray).shape == (24,)


@pytest.mark.vision
def test_weights_come_from_the_seed_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    fits = [quick(SMALL[1], random_state=seed).fit(X, Y) for seed in (0, 0, 1)]
    assert torch.equal(before, torch.get_rng_state())
    one, same, other = (fit.predict_proba(X) for fit in fits)
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)


@pytest.mark.vision
def test_a_search_chooses_between_names():
    names = ["timm:test_resnet", "timm:test_vit"]
    search = GridSearchCV(quick(names[0]), {"backbone": names}, cv=2).fit(X, Y)
    assert search.best_params_["backbone"] in names
    assert list_backbones("timm") == sorted(list_backbones("timm"))
    assert set(names) <= set(list_backbones("timm"))
    assert "torchvision:shufflenet_v2_x0_5" in list_backbones("torchvision")


@pytest.mark.vision
@pytest.mark.parametrize("name", SMALL)
def test_an_encoder_gives_what_the_last_layer_would_get(name):
    encoder = ImageEncoder(name, random_state=0).fit(X)
    features = encoder.transform(X)
    assert features.shape == (24, len(encoder.get_feature_names_out()))
    learner = quick(name).fit(X, Y)
    features = torch.as_tensor(ImageEncoder(learner).fit_transform(X))
    head = learner.net_.module_.get_submodule("head").cpu()
    scores = features @ head.weight.detach().T + head.bias.detach()
    expected = learner.predict_proba(X)
    assert np.allclose(scores.softmax(1).numpy(), expected, atol=1e-5)
    pipe = make_pipeline(ImageEncoder(name), LogisticRegression(max_iter=50, tol=0.1))
    assert pipe.fit(X, Y).predict(X).shape == (24,)


@pytest.mark.vision
def test_an_augmentation_of_torchvision_is_a_step():
    from torchvision.transforms import v2

    learner = quick("cnn", augment=v2.RandomHorizontalFlip(p=1.0), max_epochs=2)
    plain = quick("cnn", max_epochs=2).fit(X, Y).predict_proba(X)
    assert not np.allclose(learner.fit(X, Y).predict_proba(X), plain)


# Weights from elsewhere


def published(name):
    """Return weights as the library has them, of all layers, and a network's own."""
    library, _, model = name.partition(":")
    torch.manual_seed(3)
    if library == "timm":
        import timm

        return timm.create_model(model, num_classes=10).state_dict()
    from torchvision.models import get_model

    return get_model(model, num_classes=10).state_dict()


def assert_has_weights(learner, weights, n_layers_left_out=2):
    found = backbone_of(learner).cpu().state_dict()
    shared = found.keys() & weights.keys()
    assert len(shared) == len(found) >= len(weights) - n_layers_left_out
    assert all(found[key].equal(weights[key]) for key in shared)


@pytest.mark.vision
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_of_a_file_are_where_a_fit_begins(name, suffix, tmp_path):
    weights = published(name)
    path = str(tmp_path / f"weights.{suffix}")
    save_file(weights, path) if suffix == "safetensors" else torch.save(weights, path)
    # Places of other sizes are resized.
    images = np.zeros((6, 160, 160, 3), np.uint8) if "vit" in name else X[:6]
    learner = quick(name, pretrained=path, freeze="backbone").fit(images, Y[:6])
    assert_has_weights(learner, weights)
    pixels = learner.net_.module_[0]
    assert pixels.mean.flatten()[0].item() == pytest.approx(CONSTANTS[name])
    again = clone(learner).set_params(preprocessing="standard").fit(images, Y[:6])
    assert again.net_.module_[0].normalize == "standard"
    # What is fitted needs the file no more.
    (tmp_path / f"weights.{suffix}").unlink()
    copy = pickle.loads(pickle.dumps(learner))
    assert np.array_equal(copy.predict_proba(images), learner.predict_proba(images))


@pytest.mark.vision
@pytest.mark.parametrize("name", SMALL)
def test_weights_of_another_network_are_told(name, tmp_path):
    path = str(tmp_path / "weights.pt")
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match=rf"weights of {name} in .*cannot be had"):
        quick(name, pretrained=path).fit(X, Y)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Let no name of a host be found, and no cache be used."""

    def unknown(*args, **kwargs):
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


@pytest.mark.vision
@pytest.mark.parametrize("name", SMALL)
def test_weights_that_cannot_be_fetched_are_told(name, offline):
    library = name.partition(":")[0]
    with pytest.raises(WeightsError, match=f"pretrained=True {library} fetches.*path"):
        quick(name, pretrained=True).fit(X, Y)


@pytest.mark.vision
def test_weights_are_fetched_from_where_the_library_has_them(monkeypatch):
    names = {"timm": "timm:test_resnet", "torchvision": SMALL[2]}
    weights = {library: published(name) for library, name in names.items()}
    for key in ("fc.weight", "fc.bias"):  # of the classes that the library's have
        for library in weights:
            wide = weights[library][key]
            weights[library][key] = wide.new_zeros(1000, *wide.shape[1:])
    n_fetched = []

    def fetched(library):
        def answer(*args, **kwargs):
            n_fetched.append(library)
            return dict(weights[library])

        return answer

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", fetched("timm"))
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url", fetched("torchvision")
    )
    for library, name in names.items():
        learner = quick(name, pretrained=True, freeze="backbone").fit(X, Y)
        assert_has_weights(learner, weights[library])
        pickle.loads(pickle.dumps(learner)).predict(X)
        encoder = ImageEncoder(name, pretrained=True).fit(X)
        assert_has_weights(encoder.learner_, weights[library])
        assert n_fetched.count(library) == 2


@pytest.mark.vision
def test_files_get_the_size_that_weights_were_trained_on(tmp_path):
    path = str(tmp_path / "weights.pt")
    torch.save(published("timm:test_resnet"), path)
    column = ImageColumn(list(X[:6]))
    learner = quick("timm:test_resnet", pretrained=path).fit(column, Y[:6])
    assert learner.net_.module_[0].height == 160
    learner.set_params(image_size=48).fit(column, Y[:6])
    assert learner.net_.module_[0].height == 48


@pytest.mark.vision
def test_layers_of_a_named_network_are_set_free_from_the_last_on():
    moved = []

    def note(net, **kwargs):
        now = {n: p.detach().clone() for n, p in net.module_.named_parameters()}
        moved.append({n for n in now if n not in first or not now[n].equal(first[n])})

    first = {}

    def begin(net, **kwargs):
        first.update((n, p.detach().clone()) for n, p in net.module_.named_parameters())

    from torchlearners.callbacks import callback

    watch = callback(on_train_begin=begin, on_epoch_end=note)
    quick("timm:test_resnet", freeze="gradual", max_epochs=4, callbacks=[watch]).fit(
        X, Y
    )
    assert moved[0] == {"head.weight", "head.bias"}
    assert moved[0] < moved[1] < moved[2]
    assert "backbone.conv1.0.weight" not in moved[1]
    assert "backbone.conv1.0.weight" in moved[2]

import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.model_selection import ParameterSampler, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr
from sklearn.utils.fixes import parse_version

from torchlearners import MLPClassifier, MLPRegressor
from torchlearners.discovery import all_learners
from torchlearners.params import (
    Parameters,
    did_you_mean,
    non_negative,
    one_of,
    param,
    positive,
    positive_int,
)
from torchlearners.params import _parameters as generator
from torchlearners.training import LOSSES, OPTIMIZERS

ROOT = Path(__file__).resolve().parents[2]
DECLARING = [
    *[cls for _, cls in all_learners()],
    *OPTIMIZERS.values(),
    *LOSSES.values(),
]


class Model(Parameters, BaseEstimator):
    """A model.

    {parameters}

    {fitted}
    """

    lr: float = param(
        default=0.1, check=positive, tune=(1e-3, 1.0, "log"), doc="Step size."
    )
    max_epochs: int = param(
        default=5, check=positive_int, tune=(2, 9), doc="Passes over the rows."
    )
    _doc_sections = {"fitted": "Attributes\n----------\nn_iter_ : int"}

    def fit(self):
        self._validate_params()
        return self


class Slow(Model):
    """A slow model.

    {parameters}
    """

    lr: float = param(default=0.01)
    depth: int = param(default=1, check=positive_int, doc="Layers.")


class WithOwnInit(Model):
    def __init__(self, *, lr=0.5, max_epochs=7, extra=1):
        super().__init__(lr=lr, max_epochs=max_epochs)
        self.extra = extra


class BelowOwnInit(WithOwnInit):
    pass


# The constructor


def test_each_parameter_is_stored_under_its_name():
    model = Model(lr=0.2)
    assert vars(model) == {"lr": 0.2, "max_epochs": 5}


def test_the_signature_lists_keyword_only_parameters_with_their_defaults():
    signature = inspect.signature(Model)
    assert str(signature) == "(*, lr=0.1, max_epochs=5)"
    kinds = {p.kind for p in signature.parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert next(iter(inspect.signature(Model.__init__).parameters)) == "self"


def test_a_misspelt_parameter_gets_the_nearest_name():
    with pytest.raises(TypeError) as error:
        Model(max_epoch=3)
    assert str(error.value) == (
        "Model got an unexpected parameter 'max_epoch'. Did you mean 'max_epochs'?"
    )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("learning_rate", "lr"),
        ("learning_rate_init", "lr"),
        ("epochs", "max_epochs"),
        ("max_iter", "max_epochs"),
    ],
)
def test_a_name_from_another_library_gets_the_name_it_has_here(typed, meant):
    with pytest.raises(TypeError, match=f"Did you mean '{meant}'"):
        Model(**{typed: 1})


def test_a_name_like_no_other_gets_no_suggestion():
    with pytest.raises(TypeError, match=r"unexpected parameter 'zebra'\.$"):
        Model(zebra=1)


def test_positional_values_are_refused():
    with pytest.raises(TypeError, match=r"keyword arguments only, got 2 .*\(0.1, 3\)"):
        Model(0.1, 3)


class Around(Parameters, BaseEstimator):
    size: int = param(default=1)
    inner: Any = param(default=None, kw_only=False)


class AroundMore(Around):
    size: int = param(default=2)
    other: int = param(default=3)


def test_a_field_may_be_given_by_position():
    assert Around(5).inner == 5
    assert Around(inner=5).inner == 5
    assert AroundMore(5, other=4).get_params() == {"inner": 5, "size": 2, "other": 4}
    kinds = [p.kind.name for p in inspect.signature(AroundMore).parameters.values()]
    assert kinds == ["POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY", "KEYWORD_ONLY"]


def test_only_as_many_values_by_position_as_there_are_such_fields():
    with pytest.raises(TypeError, match=r"only besides inner, got 2 .*: \(5, 6\)"):
        Around(5, 6)
    with pytest.raises(TypeError, match="'inner' both by position and by name"):
        Around(5, inner=6)


def test_nested_parameters_are_given_to_the_object_they_belong_to():
    learner = Around(Model(), inner__lr=0.5, size=4)
    assert learner.inner.lr == 0.5
    assert learner.size == 4
    with pytest.raises(ValueError, match="Invalid parameter 'lrr'"):
        Around(Model(), inner__lrr=0.5)
    with pytest.raises(TypeError, match=r"'iner__lr'\. Did you mean 'inner'"):
        Around(Model(), iner__lr=0.5)


def test_nested_parameters_are_refused_where_nothing_sets_them():
    class Plain(Parameters):
        by: float = param(default=1.0)

    with pytest.raises(TypeError, match="unexpected parameter 'by__x'"):
        Plain(by__x=1)


def test_instances_do_not_share_what_they_were_given():
    a, b = Model(lr=1.0), Model()
    a.max_epochs = 99
    assert (b.lr, b.max_epochs) == (0.1, 5)


def test_the_class_keeps_no_attribute_that_would_hide_a_missing_value():
    assert not hasattr(Model, "lr")


def test_the_generated_constructor_tells_where_it_comes_from():
    assert Model.__init__.__qualname__ == "Model.__init__"
    assert Model.__init__.__module__ == __name__


def test_the_generator_is_under_80_lines():
    parts = [
        Parameters.__init_subclass__.__func__,
        generator._make_init,
        generator._fill,
    ]
    assert sum(len(inspect.getsource(part).splitlines()) for part in parts) < 80


# Inheritance


def test_a_subclass_inherits_fields_and_adds_its_own():
    assert set(inspect.signature(Slow).parameters) == {"lr", "max_epochs", "depth"}
    assert vars(Slow()) == {"lr": 0.01, "max_epochs": 5, "depth": 1}


def test_overriding_the_default_keeps_check_tune_and_doc():
    before, after = Model._fields["lr"], Slow._fields["lr"]
    assert (after.check, after.tune, after.doc) == (
        before.check,
        before.tune,
        before.doc,
    )
    assert (before.default, after.default) == (0.1, 0.01)
    with pytest.raises(ValueError, match="'lr' parameter of Slow"):
        Slow(lr=-1).fit()


def test_overriding_can_change_everything_but_the_default():
    class Free(Model):
        lr: float = param(check=non_negative, tune=None, doc="May be zero.")

    assert Free(lr=0).fit().lr == 0
    assert Free().lr == 0.1
    assert "lr" not in Free.search_space()
    assert Free._fields["lr"].doc == "May be zero."


def test_of_two_parents_the_first_one_decides():
    class Left(Model):
        lr: float = param(default=0.2)

    class Right(Model):
        lr: float = param(default=0.3)
        max_epochs: int = param(default=6)

    class Both(Left, Right):
        pass

    assert vars(Both()) == {"lr": 0.2, "max_epochs": 6}


def test_a_parameter_without_default_is_refused_when_it_is_declared():
    with pytest.raises(TypeError, match=r"Broken.lr needs a default="):

        class Broken(Parameters):
            lr: float = param(check=positive)


def test_a_mixin_without_fields_is_harmless():
    class Mixed(ClassifierMixin, Model):
        pass

    assert vars(Mixed()) == vars(Model())


def test_a_written_constructor_is_respected():
    model = WithOwnInit(extra=2)
    assert model.get_params() == {"lr": 0.5, "max_epochs": 7, "extra": 2}
    assert clone(model).extra == 2


def test_an_inherited_written_constructor_is_respected():
    assert BelowOwnInit(extra=2).get_params() == {
        "lr": 0.5,
        "max_epochs": 7,
        "extra": 2,
    }


# scikit-learn's view


def test_get_params_and_set_params_round_trip():
    model = Model().set_params(lr=0.7, max_epochs=2)
    assert model.get_params() == {"lr": 0.7, "max_epochs": 2}
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        model.set_params(depth=3)


def test_clone_copies_values_and_not_what_was_fitted():
    model = Model(lr=0.7)
    model.n_iter_ = 3
    copy = clone(model)
    assert copy is not model
    assert vars(copy) == {"lr": 0.7, "max_epochs": 5}


def test_pickle_keeps_the_values():
    copy = pickle.loads(pickle.dumps(Slow(lr=0.7)))
    assert type(copy) is Slow
    assert vars(copy) == vars(Slow(lr=0.7))


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(Model()) == "Model()"
    assert repr(Model(lr=0.7, max_epochs=5)) == "Model(lr=0.7)"


@pytest.mark.parametrize("cls", DECLARING, ids=lambda cls: cls.__name__)
def test_every_constraint_belongs_to_a_parameter_and_allows_its_default(cls):
    assert set(cls._parameter_constraints) == set(inspect.signature(cls).parameters)
    cls()._validate_params()


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (
            {"lr": -1},
            "The 'lr' parameter of MLPClassifier must be a str among {'auto'} or a "
            "float in the range "
            "(0.0, inf). Got -1 instead.",
        ),
        (
            {"dropout": 1.0},
            "The 'dropout' parameter of MLPClassifier must be a str among {'auto'} or "
            "a float in the range "
            "[0.0, 1.0). Got 1.0 instead.",
        ),
        (
            {"max_epochs": 1.5},
            "The 'max_epochs' parameter of MLPClassifier must be a str among {'auto'} "
            "or an int in the range "
            "[1, inf). Got 1.5 instead.",
        ),
        (
            {"hidden_layer_sizes": (3, 0)},
            "The 'hidden_layer_sizes' parameter of MLPClassifier must be a str among "
            "{'auto'}, an int in the range [1, inf) or a sequence with each item an "
            "int in the range [1, inf). Got (3, 0) instead.",
        ),
        (
            {"warm_start": "yes"},
            "The 'warm_start' parameter of MLPClassifier must be an instance of "
            "'bool' or an instance of 'numpy.bool'. Got 'yes' instead.",
        ),
        (
            {"class_weight": "even"},
            "The 'class_weight' parameter of MLPClassifier must be an instance of "
            "'dict', a str among {'balanced'} or None. Got 'even' instead.",
        ),
    ],
)
def test_a_value_out_of_range_gets_scikit_learns_sentence(params, sentence):
    with pytest.raises(ValueError, match="parameter of") as error:
        MLPClassifier(**params).fit([[0.0], [1.0]], [0, 1])
    assert type(error.value).__name__ == "InvalidParameterError"
    # numpy 1 calls its bool another name.
    assert str(error.value).replace("numpy.bool_", "numpy.bool") == sentence


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"optimizer": "adamm"}, "Did you mean 'adam'?"),
        ({"optimizer": "adamm"}, "a str among {'adagrad', 'adam', 'adamw', 'auto', "),
        (
            {"optimizer": "adamm"},
            "instance of 'torchlearners.training.Optimizer' or a",
        ),
        ({"lr_schedule": "cosin"}, "Did you mean 'cosine'?"),
        ({"lr_schedule": "cosin"}, "an instance of 'torchlearners.callbacks.Policy'"),
        ({"loss": "hubr"}, "an instance of 'torch.nn.Module', a class or a callable."),
        (
            {"preset": "simpel"},
            "{'realmlp', 'simple'}. Got 'simpel' instead. Did",
        ),
    ],
)
def test_a_misspelt_choice_gets_public_names_and_the_nearest_one(params, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        MLPClassifier(**params).fit([[0.0], [1.0]], [0, 1])


def test_a_word_like_no_choice_gets_no_suggestion():
    with pytest.raises(ValueError, match=r"Got 'newton' instead\.$"):
        MLPClassifier(optimizer="newton").fit([[0.0], [1.0]], [0, 1])


def test_a_value_out_of_range_is_found_in_fit_and_not_in_the_constructor():
    model = Model(lr=-1)
    with pytest.raises(ValueError, match="'lr' parameter of Model"):
        model.fit()


# Documentation


def documented_parameters(cls):
    """Return (name, type and default, text) of each entry under Parameters."""
    section = re.search(
        r"^Parameters\n-+$(.*?)(?=\n\n[A-Z][\w ]+\n-+\n|\Z)",
        inspect.cleandoc(cls.__doc__),
        re.DOTALL | re.MULTILINE,
    )
    if section is None:
        return []
    entries = re.split(r"^(?=\w+ : )", section[1].strip(), flags=re.MULTILINE)
    return [
        (*head.split(" : ", 1), inspect.cleandoc(text))
        for head, _, text in (e.partition("\n") for e in entries if e.strip())
    ]


@pytest.mark.parametrize("cls", DECLARING, ids=lambda cls: cls.__name__)
def test_the_parameters_section_equals_the_signature(cls):
    documented = {
        name: kind.rpartition(", default=")[2]
        for name, kind, _ in documented_parameters(cls)
    }
    signature = {
        name: repr(parameter.default)
        for name, parameter in inspect.signature(cls).parameters.items()
    }
    assert list(documented.items()) == list(signature.items())
    assert all(text for _, _, text in documented_parameters(cls))


@pytest.mark.parametrize("cls", DECLARING, ids=lambda cls: cls.__name__)
def test_no_placeholder_is_left_in_a_docstring(cls):
    assert "{parameters}" not in cls.__doc__
    assert "{attributes}" not in cls.__doc__


def test_the_parameters_section_is_numpydoc():
    assert inspect.cleandoc(Model.__doc__) == "\n".join(
        [
            "A model.",
            "",
            "Parameters",
            "----------",
            "lr : float in (0.0, inf), default=0.1",
            "    Step size.",
            "max_epochs : int in [1, inf), default=5",
            "    Passes over the rows.",
            "",
            "Attributes",
            "----------",
            "n_iter_ : int",
        ]
    )


@pytest.mark.parametrize("cls", DECLARING, ids=lambda cls: cls.__name__)
def test_a_class_without_parameters_has_no_parameters_section(cls):
    assert bool(cls._fields) == ("Parameters\n---" in cls.__doc__)


def test_an_overridden_default_shows_in_the_docstring():
    assert "lr : float in (0.0, inf), default=0.01\n    Step size." in Slow.__doc__


def test_a_class_without_docstring_needs_none():
    assert WithOwnInit.__doc__ is None


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_the_html_repr_shows_the_parameters_and_their_docs(cls):
    page = estimator_html_repr(cls(lr=0.3))
    assert "0.3" in page
    older = parse_version(sklearn.__version__) < parse_version("1.9")
    assert older or "Learning rate of the optimizer." in page


# Search space


class Searched(Parameters, BaseEstimator):
    rate: float = param(default=0.1, tune=(1e-4, 1e-1, "log"))
    share: float = param(default=0.1, tune=(0.1, 0.5))
    depth: int = param(default=1, tune=(1, 3))
    width: int = param(default=8, tune=(8, 512, "log"))
    kind: str = param(default="a", check=one_of("a", "b"), tune=["a", "b"])
    fixed: int = param(default=1)


def test_only_parameters_worth_searching_are_in_the_search_space():
    assert list(Searched.search_space("model__")) == [
        "model__rate",
        "model__share",
        "model__depth",
        "model__width",
        "model__kind",
    ]


def test_a_log_range_of_floats_is_uniform_in_the_logarithm():
    rate = Searched.search_space()["rate"]
    assert rate.support() == (1e-4, 1e-1)
    assert rate.cdf(10**-2.5) == pytest.approx(0.5)


def test_a_range_of_floats_is_uniform():
    share = Searched.search_space()["share"]
    assert share.support() == pytest.approx((0.1, 0.5))
    assert share.cdf(0.3) == pytest.approx(0.5)


def test_a_range_of_ints_holds_both_ends():
    depth = Searched.search_space()["depth"]
    drawn = depth.rvs(200, random_state=0)
    assert set(drawn.tolist()) == {1, 2, 3}
    assert depth.pmf(1) == depth.pmf(3)


def test_a_log_range_of_ints_is_a_list_of_ints_with_both_ends():
    width = Searched.search_space()["width"]
    assert (width[0], width[-1]) == (8, 512)
    assert all(type(value) is int for value in width)
    assert width == sorted(set(width))
    ratios = np.array(width[1:]) / np.array(width[:-1])
    assert ratios.max() < 1.55
    assert ratios.min() > 1.3


def test_a_list_stays_a_list():
    assert Searched.search_space()["kind"] == ["a", "b"]


def test_a_parameter_without_check_takes_any_value():
    class Free(Parameters, BaseEstimator):
        anything: object = param(default=None)

    Free(anything=object())._validate_params()


def test_an_unknown_scale_is_refused():
    def declare_and_search():
        class Typo(Parameters):
            rate: float = param(default=0.1, tune=(1e-4, 1e-1, "lgo"))

        return Typo.search_space()

    with pytest.raises(ValueError, match="lgo"):
        declare_and_search()


@pytest.mark.parametrize(
    "cls", [c for c in DECLARING if c.search_space()], ids=lambda cls: cls.__name__
)
def test_everything_in_a_search_space_passes_the_checks(cls):
    for params in ParameterSampler(cls.search_space(), n_iter=20, random_state=0):
        cls(**params)._validate_params()


def test_the_search_space_of_a_learner_works_in_a_pipeline():
    X, y = load_iris(return_X_y=True)
    search = RandomizedSearchCV(
        make_pipeline(StandardScaler(), MLPClassifier(max_epochs=2, random_state=0)),
        MLPClassifier.search_space("mlpclassifier__"),
        n_iter=4,
        cv=2,
        random_state=0,
        error_score="raise",
    )
    tried = search.fit(X, y).cv_results_["params"]
    assert len(tried) == 4
    assert set(tried[0]) == set(MLPClassifier.search_space("mlpclassifier__"))
    rates = [params["mlpclassifier__lr"] for params in tried]
    assert len(set(rates)) == 4


# did_you_mean


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("max_epoch", " Did you mean 'max_epochs'?"),
        ("learning_rate", " Did you mean 'lr'?"),
        ("units", ""),
        ("zebra", ""),
    ],
)
def test_did_you_mean_names_only_what_exists(name, sentence):
    assert did_you_mean(name, ["lr", "max_epochs"]) == sentence


# Type checkers

TYPED = """
from torchlearners.params import Parameters, param
from torchlearners.tabular import MLPClassifier


class Shift(Parameters):
    by: float = param(default=1.0)


Shift(by=2.0)
Shift(bye=2.0)
Shift(by="far")
Shift(2.0)
MLPClassifier(lr=0.1, hidden_layer_sizes=(8,), optimizer="sgd")
MLPClassifier(learning_rate=0.1)
MLPClassifier(eval_every="often")
"""

# The packages below are large, and not the question.
MYPY_INI = """
[mypy]
cache_dir = /dev/null
[mypy-joblib.*,numpy.*,scipy.*,sklearn.*,skorch.*,torch.*]
follow_imports = skip
ignore_missing_imports = true
[mypy-torchlearners.*]
ignore_errors = true
"""


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Return what mypy reports, by line of TYPED."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("typed")
    (folder / "typed.py").write_text(TYPED, encoding="utf-8")
    (folder / "mypy.ini").write_text(MYPY_INI, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "typed.py"],
        cwd=folder,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr == ""
    found = {}
    for line in result.stdout.splitlines():
        match = re.match(r"typed.py:(\d+): error: (.*)", line)
        if match:
            source = TYPED.splitlines()[int(match[1]) - 1]
            found.setdefault(source, []).append(match[2])
    return found


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("Shift(bye=2.0)", 'Unexpected keyword argument "bye"'),
        ('Shift(by="far")', 'Argument "by" to "Shift" has incompatible type "str"'),
        ("Shift(2.0)", "Too many positional arguments"),
        ("MLPClassifier(learning_rate=0.1)", "Unexpected keyword argument"),
        (
            'MLPClassifier(eval_every="often")',
            'Argument "eval_every" to "MLPCl',
        ),
    ],
)
def test_mypy_reports_a_wrong_call(reported, line, error):
    assert len(reported.get(line, [])) == 1, reported.get(line)
    assert reported[line][0].startswith(error)


@pytest.mark.parametrize(
    "line",
    [
        "Shift(by=2.0)",
        'MLPClassifier(lr=0.1, hidden_layer_sizes=(8,), optimizer="sgd")',
    ],
)
def test_mypy_accepts_a_right_call(reported, line):
    assert reported.get(line) is None


def test_a_class_can_leave_out_inherited_parameters():
    class Base(Parameters, BaseEstimator):
        width: int = param(default=1)
        depth: int = param(default=2)

    class Flat(Base):
        _left_out = frozenset({"depth"})
        side: int = param(default=3)

    class Flatter(Flat):
        pass

    for cls in (Flat, Flatter):
        assert set(cls().get_params()) == {"width", "side"}
        with pytest.raises(TypeError, match="depth"):
            cls(depth=1)
    assert Base().depth == 2


def test_names_of_parameters_are_known_without_reading_the_signature(monkeypatch):
    assert WithOwnInit._get_param_names() == ["extra", "lr", "max_epochs"]
    monkeypatch.setattr(inspect, "signature", None)
    assert Slow._get_param_names() == ["depth", "lr", "max_epochs"]

"""A neural network in a Pipeline and a GridSearchCV, like any other estimator.

Searches an MLP on scikit-learn's breast cancer data, compares it with scikit-learn's
own estimators on the same folds, and draws the learning curves of the winner.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier
from sklearn.pipeline import Pipeline

from torchlearners import MLPClassifier

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
folds = StratifiedKFold(5, shuffle=True, random_state=0)

# Any parameter can be searched: of a step, of the network, of its optimizer.
pipeline = Pipeline(
    [
        ("select", SelectKBest(k=30)),
        ("mlp", MLPClassifier(random_state=0)),
    ]
)
grid = {
    "select__k": [15, 30],
    "mlp__hidden_layer_sizes": [(32,), (128, 128)],
    "mlp__optimizer__betas": [(0.9, 0.999), (0.9, 0.95)],
}
search = GridSearchCV(pipeline, grid, cv=folds, n_jobs=2).fit(X, y)

rows = [
    (mean, std, ", ".join(f"{k.split('__', 1)[1]}={v}" for k, v in params.items()))
    for mean, std, params in zip(
        search.cv_results_["mean_test_score"],
        search.cv_results_["std_test_score"],
        search.cv_results_["params"],
        strict=True,
    )
]
peers = {
    "scikit-learn MLPClassifier": SklearnMLPClassifier(random_state=0, max_iter=500),
    "scikit-learn HistGradientBoosting": HistGradientBoostingClassifier(random_state=0),
    "scikit-learn DummyClassifier": DummyClassifier(),
}
for name, peer in peers.items():
    scores = cross_validate(peer, X, y, cv=folds, n_jobs=2)["test_score"]
    rows.append((scores.mean(), scores.std(), name))

print("accuracy         candidate (5 folds, the same for all)")
for mean, std, name in sorted(rows, reverse=True):
    print(f"{mean:.3f} +- {std:.3f}  {name}")

winner = search.best_estimator_.named_steps["mlp"]
history = winner.history_
epochs = history[:, "epoch"]
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.plot(epochs, history[:, "train_loss"], label="training rows")
axes.plot(epochs, history[:, "valid_loss"], label="validation rows")
axes.axvline(winner.best_epoch_, color="gray", linestyle=":", label="weights kept")
axes.set(
    xlabel="epoch",
    ylabel="cross-entropy",
    yscale="log",
    title="Learning curves of the best candidate",
)
axes.legend()
picture = Path(__file__).with_name("quickstart.png")
figure.savefig(picture, dpi=120)
print(f"\nlearning curves: {picture}")

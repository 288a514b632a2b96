import json

import numpy as np
import pandas as pd
import pytest


def write(folder, table, meta):
    folder.mkdir(parents=True)
    table.to_csv(folder / "data.csv.gz", index=False)
    defaults = {
        "categorical": [],
        "dates": [],
        "strings": [],
        "ids": [],
        "split_column": None,
    }
    (folder / "meta.json").write_text(json.dumps(defaults | meta), encoding="utf-8")


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """Made-up tables in the places of five public ones."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    n = 60
    size = rng.normal(size=n)
    color = rng.choice(["red", "green", "NA", ""], n)
    numbers = pd.DataFrame(
        {
            "size": size,
            "color": color,
            "row": range(n),
            "note": rng.choice(["a", "b"], n),
        }
    )
    numbers.loc[3, "size"] = np.nan
    text = {"categorical": ["color"], "strings": ["note"], "ids": ["row"]}
    species = np.array(["x", "y", "z"])[np.digitize(size, [-0.5, 0.5])]
    write(
        root / "penguins", numbers.assign(species=species), {"target": "species"} | text
    )
    price = 10 ** (3 + 0.1 * size)
    write(root / "ames", numbers.assign(price=price), {"target": "price"} | text)
    loads = numbers.assign(heating=size**2, cooling=-size)
    targets = {"target": ["heating", "cooling"]}
    write(root / "energy_efficiency", loads, targets | text)
    times = pd.date_range("2020-01-01", periods=n, freq="h").astype(str)
    bikes = numbers.assign(time=times, count=range(n))
    write(root / "bike_sharing", bikes, {"target": "count", "dates": ["time"]} | text)
    part = np.repeat(["test", "train"], [20, 40])
    adult = numbers.assign(part=part, rich=np.where(size > 0, ">50K", "<=50K"))
    write(root / "adult", adult, {"target": "rich", "split_column": "part"} | text)
    return root

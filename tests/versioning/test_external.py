from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import polars as pl
import pytest
import skops.io
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from versioning_samples import FEATURES, make_model, make_rows

from mainspring.base.errors import InvalidData, NotFound, Refused
from mainspring.store.workspace import Workspace
from mainspring.versioning import models
from mainspring.versioning.evidence import read_evidence

ROWS = make_rows().with_columns(pl.col("delay").fill_null(0.0))
NUMBERS = ["delay", "hour"]
SAMPLE = ROWS.select(*NUMBERS, "late")
X = ROWS.select(NUMBERS).to_numpy().astype(np.float64)
Y = ROWS["late"].to_numpy()


def registered(workspace: Workspace, path: Path, **named: Any) -> Any:
    version, _ = models.register_external(workspace, "m", path, **{"sample": SAMPLE, "target": "late"} | named)
    return version, models.load(workspace, version)


def test_skops(workspace: Workspace, tmp_path: Path) -> None:
    model = make_model(make_rows())
    skops.io.dump(model, tmp_path / "m.skops")
    version, artifact = registered(workspace, tmp_path / "m.skops", sample=make_rows())
    assert np.array_equal(
        artifact.predict(ROWS.select(FEATURES)).score, model.predict_proba(ROWS.select(FEATURES))[:, 1]
    )
    assert version.metrics["roc_auc"]["n"] == 600
    assert read_evidence(workspace, version).meta.target == "late"


def test_lightgbm(workspace: Workspace, tmp_path: Path) -> None:
    data = lightgbm.Dataset(X, Y.astype(float))
    booster = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, 3)
    booster.save_model(tmp_path / "m.txt")
    version, artifact = registered(workspace, tmp_path / "m.txt")
    assert artifact.manifest.format == "lightgbm"
    assert artifact.signature.target.classes == [False, True]
    assert np.array_equal(artifact.predict(ROWS.select(NUMBERS)).score, booster.predict(X))
    again, _ = registered(workspace, tmp_path / "m.txt")
    assert again.artifact == version.artifact


def test_lightgbm_multiclass_and_regression(workspace: Workspace, tmp_path: Path) -> None:
    kinds = np.arange(600) % 3
    parameters = {"objective": "multiclass", "num_class": 3, "verbosity": -1, "num_threads": 1}
    lightgbm.train(parameters, lightgbm.Dataset(X, kinds), 2).save_model(tmp_path / "k.txt")
    _, artifact = registered(workspace, tmp_path / "k.txt", sample=SAMPLE.with_columns(late=pl.Series(kinds)))
    assert artifact.signature.target.classes == [0, 1, 2]
    assert artifact.predict(ROWS.select(NUMBERS)).score.shape == (600, 3)
    lightgbm.train({"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(X, X[:, 0]), 2).save_model(tmp_path / "r.txt")
    _, artifact = registered(workspace, tmp_path / "r.txt", sample=SAMPLE.drop("late"), target=None)
    assert artifact.signature.target.task == "regression"


@pytest.mark.parametrize("suffix", ["ubj", "json"])
def test_xgboost(workspace: Workspace, tmp_path: Path, suffix: str) -> None:
    data = xgboost.DMatrix(X, Y, feature_names=NUMBERS, nthread=1)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 3)
    booster.save_model(tmp_path / f"m.{suffix}")
    _, artifact = registered(workspace, tmp_path / f"m.{suffix}", sample=SAMPLE.select("hour", "delay", "late"))
    assert artifact.manifest.format == "xgboost"
    assert artifact.signature.features == NUMBERS
    assert np.array_equal(artifact.predict(ROWS.select(NUMBERS)).score, booster.predict(data).astype(np.float64))


def test_xgboost_softmax_and_margins(workspace: Workspace, tmp_path: Path) -> None:
    kinds = np.arange(600) % 3
    parameters = {"objective": "multi:softmax", "num_class": 3, "nthread": 1}
    xgboost.train(parameters, xgboost.DMatrix(X, kinds, nthread=1), 2).save_model(tmp_path / "k.ubj")
    _, artifact = registered(workspace, tmp_path / "k.ubj", sample=SAMPLE.with_columns(late=pl.Series(kinds)))
    assert set(np.unique(artifact.predict(ROWS.select(NUMBERS)).score)) == {0.0, 1.0}
    margins = xgboost.train({"objective": "binary:logitraw", "nthread": 1}, xgboost.DMatrix(X, Y, nthread=1), 2)
    margins.save_model(tmp_path / "l.ubj")
    with pytest.raises(InvalidData, match="answers margins"):
        registered(workspace, tmp_path / "l.ubj")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("zipmap", [True, False])
def test_onnx_classifier(workspace: Workspace, tmp_path: Path, zipmap: bool) -> None:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    model = LogisticRegression().fit(X, Y.astype(int))
    kind = FloatTensorType if zipmap else DoubleTensorType
    exported = to_onnx(model, initial_types=[("x", kind([None, 2]))], options={"zipmap": zipmap}).SerializeToString()
    (tmp_path / "m.onnx").write_bytes(exported)
    _, artifact = registered(workspace, tmp_path / "m.onnx")
    assert artifact.manifest.format == "onnx"
    found = artifact.predict(ROWS.select(NUMBERS)).score
    assert np.allclose(found, model.predict_proba(X)[:, 1], atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_onnx_regression_with_an_input_for_each_column(workspace: Workspace, tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    inputs = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, 1]) for name in NUMBERS]
    output = helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None, 1])
    graph = helper.make_graph([helper.make_node("Add", NUMBERS, ["y"])], "sum", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "m.onnx")
    _, artifact = registered(workspace, tmp_path / "m.onnx", sample=SAMPLE.drop("late"), target=None)
    assert artifact.signature.target.task == "regression"
    assert np.allclose(artifact.predict(ROWS.select(NUMBERS)).score, X.sum(axis=1))


def test_pickles_need_trust(workspace: Workspace, tmp_path: Path) -> None:
    joblib.dump(RandomForestClassifier(3, random_state=0).fit(X, Y), tmp_path / "m.joblib")
    with pytest.raises(Refused, match="is a pickle, and reading one runs code"):
        registered(workspace, tmp_path / "m.joblib")
    version, _ = models.register_external(
        workspace, "m", tmp_path / "m.joblib", sample=SAMPLE, target="late", trust_pickle=True
    )
    artifact = models.load(workspace, version)
    assert artifact.manifest.format == "skops"
    assert artifact.signature.container == "numpy"


def test_a_trusted_pickle_is_trusted_in_this_workspace_alone(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.root / "own_pickled.py").write_text(
        "class Same:\n    def predict(self, rows):\n        return rows['delay'].to_numpy()\n"
    )
    code = "import joblib, own_pickled, sys; joblib.dump(own_pickled.Same(), sys.argv[1])"
    path = tmp_path / "m.joblib"
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=workspace.root, check=True)
    sample = SAMPLE.drop("late")
    version, _ = models.register_external(workspace, "m", path, sample=sample, trust_pickle=True)
    artifact = models.load(workspace, version)
    assert artifact.manifest.format == "joblib"
    assert (artifact.folder / "code" / "own_pickled.py").is_file()
    (workspace.state / "trusted" / version.artifact).unlink()
    with pytest.raises(Refused, match="is a pickle"):
        models.load(workspace, version)
    sys.modules.pop("own_pickled")


def test_without_a_target_it_can_be_served_but_not_judged(workspace: Workspace, tmp_path: Path) -> None:
    skops.io.dump(LogisticRegression().fit(X, Y), tmp_path / "m.skops")
    version, artifact = registered(workspace, tmp_path / "m.skops", sample=SAMPLE.drop("late"), target=None)
    assert version.evidence is None
    assert version.metrics == {}
    assert artifact.signature.target.classes == [False, True]
    with pytest.raises(NotFound, match="without rows to judge it on"):
        read_evidence(workspace, version)


def test_a_holdout_beside_the_sample(workspace: Workspace, tmp_path: Path) -> None:
    model = LinearRegression().fit(ROWS.select("hour"), ROWS["delay"])
    skops.io.dump(model, tmp_path / "m.skops")
    version, _ = registered(
        workspace,
        tmp_path / "m.skops",
        sample=ROWS.select("hour"),
        target="delay",
        holdout=ROWS.select("hour", "delay")[:50],
    )
    assert version.metrics["mae"]["n"] == 50


@pytest.mark.parametrize("name", ["m.txt", "m.ubj", "m.json", "m.onnx", "m.skops", "m.joblib"])
def test_rubbish_is_explained(workspace: Workspace, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x00rubbish \xff")
    with pytest.raises(InvalidData) as caught:
        registered(workspace, tmp_path / name, trust_pickle=True)
    assert caught.value.hint
    assert models.versions(workspace) == []


def test_unknown_and_missing_files(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "m.h5").touch()
    with pytest.raises(InvalidData, match=r"'\.h5' is not known"):
        registered(workspace, tmp_path / "m.h5")
    with pytest.raises(NotFound):
        registered(workspace, tmp_path / "no.skops")


def test_a_sample_that_does_not_fit(workspace: Workspace, tmp_path: Path) -> None:
    skops.io.dump(LinearRegression().fit(ROWS.select(NUMBERS), Y.astype(float)), tmp_path / "m.skops")
    with pytest.raises(InvalidData, match="no column 'delay', which the model takes"):
        registered(workspace, tmp_path / "m.skops", sample=SAMPLE.rename({"delay": "delays"}))
    with pytest.raises(InvalidData, match="there is no column 'later'"):
        registered(workspace, tmp_path / "m.skops", target="later")


def test_boosters_as_candidates(workspace: Workspace) -> None:
    from mainspring.versioning.candidate import Candidate

    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(X, Y, nthread=1), 2)
    given = Candidate(model=booster, train=SAMPLE[:400], holdout=SAMPLE[400:], features=NUMBERS, target="late")
    version = models.register(workspace, "b", given)
    assert models.load(workspace, version).manifest.format == "xgboost"


def test_pandas_categories_reach_lightgbm(workspace: Workspace) -> None:
    import pandas as pd

    from mainspring.versioning.candidate import Candidate

    frame = pd.DataFrame(
        {"carrier": pd.Categorical(ROWS["carrier"].to_list()), "delay": ROWS["delay"].to_numpy(), "late": Y}
    )
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(frame[["carrier", "delay"]], Y)
    given = Candidate(
        model=model, train=frame, holdout=frame, features=["carrier", "delay"], target="late", container="pandas"
    )
    artifact = models.load(workspace, models.register(workspace, "c", given))
    assert artifact.signature.categories == {"carrier": ["AA", "B6", "UA"]}
    expected = model.predict_proba(frame[["carrier", "delay"]])[:, 1]
    assert np.array_equal(artifact.predict(ROWS.select("carrier", "delay")).score, expected)


def test_categories_of_a_lightgbm_file_are_found_again(workspace: Workspace, tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"carrier": pd.Categorical(ROWS["carrier"].to_list()), "delay": ROWS["delay"].to_numpy()})
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(frame, Y)
    model.booster_.save_model(tmp_path / "m.txt")
    sample = ROWS.select("carrier", "delay")
    _, artifact = registered(workspace, tmp_path / "m.txt", sample=sample.head(50), target=None)
    assert artifact.signature.container == "pandas"
    assert np.array_equal(artifact.predict(sample).score, model.predict_proba(frame)[:, 1])
    with pytest.raises(InvalidData, match="categories of 1 columns"):
        registered(workspace, tmp_path / "m.txt", sample=sample.with_columns(carrier=1), target=None)


def test_classes_of_an_onnx_file_are_its_own(workspace: Workspace, tmp_path: Path) -> None:
    from skl2onnx import to_onnx

    names = np.array(["zebra", "ant", "mole"])[np.digitize(X[:, 0], np.quantile(X[:, 0], [0.4, 0.7]))]
    for number, model in enumerate((LogisticRegression(max_iter=500), RandomForestClassifier(5, random_state=0))):
        model.fit(X, names)
        path = tmp_path / f"m{number}.onnx"
        path.write_bytes(to_onnx(model, X[:1], options={"zipmap": False}).SerializeToString())
        _, artifact = registered(workspace, path, sample=ROWS.select(NUMBERS), target=None)
        assert artifact.signature.target.classes == ["ant", "mole", "zebra"]
        label = artifact.predict(ROWS.select(NUMBERS)).label
        assert [artifact.signature.target.classes[int(index)] for index in label] == model.predict(X).tolist()


def test_a_table_of_the_wrong_kind_is_not_guessed(workspace: Workspace, tmp_path: Path) -> None:
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    carriers = [None if number % 5 == 0 else value for number, value in enumerate(ROWS["carrier"].to_list())]
    frame = pd.DataFrame({"carrier": carriers, "delay": ROWS["delay"].to_numpy()})
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["carrier"]), remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(frame, Y)
    joblib.dump(model, tmp_path / "m.joblib")
    given: dict[str, Any] = {"sample": frame, "target": None, "trust_pickle": True}
    with pytest.raises(InvalidData, match="otherwise as a polars table") as caught:
        registered(workspace, tmp_path / "m.joblib", **given)
    assert "--container pandas" in str(caught.value.hint)
    _, artifact = registered(workspace, tmp_path / "m.joblib", container="pandas", **given)
    rows = pl.DataFrame({"carrier": carriers, "delay": ROWS["delay"]})
    assert np.array_equal(artifact.predict(rows).score, model.predict_proba(frame)[:, 1])

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.svm import SVC, LinearSVC
from versioning_samples import FEATURES, make_candidate, make_rows

from mainspring.base.errors import Corrupted, InvalidData, Refused
from mainspring.versioning.artifact import load_artifact, pack, read_manifest, signature_of
from mainspring.versioning.candidate import Candidate
from mainspring.versioning.probe import UNSEEN

HERE = Path(__file__).parent
ROWS = make_rows().with_columns(pl.col("delay").fill_null(0.0))
NUMBERS = ["delay", "hour"]


def with_text(encoder: Any, model: Any) -> Any:
    return make_pipeline(make_column_transformer((encoder, ["carrier"]), (StandardScaler(), NUMBERS)), model)


ESTIMATORS: dict[str, tuple[Any, list[str]]] = {
    "logistic regression": (with_text(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()), FEATURES),
    "target encoder": (with_text(TargetEncoder(), LogisticRegression()), FEATURES),
    "random forest": (
        with_text(
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            RandomForestClassifier(5, random_state=0),
        ),
        FEATURES,
    ),
    "gradient boosting": (GradientBoostingClassifier(n_estimators=4, random_state=0), NUMBERS),
    "svc": (make_pipeline(StandardScaler(), SVC()), NUMBERS),
    "linear svc": (LinearSVC(), NUMBERS),
    "neighbours": (KNeighborsClassifier(), NUMBERS),
    "neighbours by ball tree": (KNeighborsClassifier(algorithm="ball_tree", p=1), NUMBERS),
    "perceptron": (MLPClassifier((3,), max_iter=2, solver="sgd", random_state=0), NUMBERS),
    "calibrated": (CalibratedClassifierCV(LogisticRegression(), cv=2), NUMBERS),
}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_common_estimators_are_stored_without_pickle_and_answer_the_same(name: str, tmp_path: Path) -> None:
    model, features = ESTIMATORS[name]
    train, holdout = ROWS[:400], ROWS[400:]
    model.fit(train.select(features), train["late"].to_numpy())
    given = Candidate(model=model, train=train, holdout=holdout, features=features, target="late")
    artifact = pack(given, tmp_path / "a")
    assert artifact.manifest.format == "skops"
    found = artifact.predict(holdout.select(features))
    if hasattr(model, "predict_proba"):
        assert np.array_equal(found.score, model.predict_proba(holdout.select(features))[:, 1])
    else:
        assert np.array_equal(found.score, found.label)
    assert np.array_equal(found.label, model.predict(holdout.select(features)).astype(float))


@pytest.mark.slow
def test_the_same_model_has_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from versioning_samples import make_candidate\n"
        "from mainspring.versioning.artifact import pack\n"
        "pack(make_candidate(), Path(sys.argv[2]))\n"
    )
    folders = [tmp_path / "a", tmp_path / "b"]
    for seed, folder in enumerate(folders):
        environment = {"PYTHONHASHSEED": str(seed), "PATH": "/usr/bin:/bin"}
        subprocess.run([sys.executable, "-c", code, str(HERE), str(folder)], check=True, env=environment)
    first, second = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders)
    assert first == second
    assert set(first) == {"manifest.json", "model.skops", "probe.parquet", "signature.json"}


def test_padding_and_addresses_do_not_reach_the_file() -> None:
    import io
    import zipfile

    import skops.io
    from sklearn.feature_extraction.text import TfidfVectorizer

    from mainspring.versioning.formats.skops import _unpadded, normalised

    kind = np.dtype({"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [0, 8], "itemsize": 16})
    files = []
    for junk in (b"\x00", b"\xff"):
        records = np.frombuffer(junk * 32, kind).copy()
        records["a"], records["b"] = [1, 2], [0.5, 1.5]
        file = io.BytesIO()
        np.save(file, records)
        files.append(_unpadded(file.getvalue()))
    assert files[0] == files[1]
    assert np.load(io.BytesIO(files[0]))["b"].tolist() == [0.5, 1.5]
    stored = normalised(skops.io.dumps(TfidfVectorizer(stop_words=["the"]).fit(["one two", "the one"])))
    schema = zipfile.ZipFile(io.BytesIO(stored)).read("schema.json").decode()
    assert '"content":"0"' in schema.partition('"_stop_words_id"')[2][:100]


def test_the_probe_covers_the_edges(tmp_path: Path) -> None:
    given = make_candidate()
    artifact = pack(given, tmp_path / "a")
    rows, answers = artifact.probe()
    assert len(rows) <= 512
    assert rows["delay"].null_count() > 0
    assert rows["delay"].min() == pl.concat([given.train, given.holdout])["delay"].min()
    assert rows["carrier"][-1] == UNSEEN
    assert np.array_equal(artifact.predict(rows).score, answers.score)
    assert pl.read_parquet(tmp_path / "a" / "probe.parquet").columns == [*FEATURES, "probe.label", "probe.score"]


def test_large_tables_give_a_full_probe(tmp_path: Path) -> None:
    rows = make_rows(30_000)
    model = LogisticRegression().fit(rows.select("hour"), rows["late"].to_numpy())
    given = Candidate(model=model, train=rows, holdout=rows[:2000], features=["hour"], target="late")
    assert len(pack(given, tmp_path / "a").probe()[0]) == 24


def test_several_classes(tmp_path: Path) -> None:
    rows = ROWS.with_columns(kind=pl.col("hour") % 3 + 5)
    model = RandomForestClassifier(3, random_state=0).fit(rows.select(NUMBERS), rows["kind"])
    given = Candidate(model=model, train=rows[:400], holdout=rows[400:], features=NUMBERS, target="kind")
    artifact = pack(given, tmp_path / "a")
    assert artifact.signature.target.classes == [5, 6, 7]
    found = artifact.predict(rows.select(NUMBERS))
    assert found.score.shape == (600, 3)
    assert np.array_equal(found.label, artifact.signature.encode(pl.Series(model.predict(rows.select(NUMBERS)))))
    columns = pl.read_parquet(tmp_path / "a" / "probe.parquet").columns
    assert columns[-3:] == ["probe.score.0", "probe.score.1", "probe.score.2"]
    assert artifact.probe()[1].score.shape[1] == 3


def test_several_classes_without_probabilities(tmp_path: Path) -> None:
    rows = ROWS.with_columns(kind=pl.Series(["a", "b", "c"] * 200))
    model = LinearSVC().fit(rows.select(NUMBERS), rows["kind"])
    given = Candidate(model=model, train=rows[:400], holdout=rows[400:], features=NUMBERS, target="kind")
    assert pack(given, tmp_path / "a").predict(rows.select(NUMBERS)).score.sum(axis=1).tolist() == [1.0] * 600


def test_regression(tmp_path: Path) -> None:
    model = RandomForestRegressor(3, random_state=0).fit(ROWS.select("hour"), ROWS["delay"])
    given = Candidate(model=model, train=ROWS[:400], holdout=ROWS[400:], features=["hour"], target="delay")
    artifact = pack(given, tmp_path / "a")
    assert artifact.signature.target.task == "regression"
    assert np.array_equal(artifact.predict(ROWS.select("hour")).score, model.predict(ROWS.select("hour")))


@pytest.mark.parametrize("container", ["pandas", "numpy"])
def test_containers(container: Any, tmp_path: Path) -> None:
    given_rows: Any = ROWS.select(NUMBERS).to_numpy()
    if container == "pandas":
        import pandas as pd

        given_rows = pd.DataFrame({name: ROWS[name].to_numpy() for name in NUMBERS})
    model = LogisticRegression().fit(given_rows, ROWS["late"].to_numpy())
    given = Candidate(
        model=model, train=ROWS[:400], holdout=ROWS[400:], features=NUMBERS, target="late", container=container
    )
    assert len(pack(given, tmp_path / "a").predict(ROWS.select(NUMBERS)).label) == 600


class OnlyArrays:
    def predict(self, rows: Any) -> Any:
        return rows[:, 0].ravel() + 0.0


def test_the_wrong_container_is_explained(tmp_path: Path) -> None:
    rows = ROWS.with_columns(other=pl.col("delay") * 2)
    given = Candidate(model=OnlyArrays(), train=rows, holdout=rows, features=NUMBERS, target="other")
    with pytest.raises(InvalidData, match="cannot predict rows of its own tables") as caught:
        pack(given, tmp_path / "a", trust_pickle=True)
    assert "container=" in str(caught.value.hint)


def test_models_that_contradict_their_tables(tmp_path: Path) -> None:
    given = make_candidate()
    one_kind = given.holdout.with_columns(late=pl.lit("maybe"))
    with pytest.raises(InvalidData):
        pack(
            Candidate(model=given.model, train=given.train, holdout=one_kind, features=FEATURES, target="late"),
            tmp_path / "a",
        )
    with pytest.raises(InvalidData, match="the task is said to be regression"):
        pack(
            Candidate(
                model=given.model,
                train=given.train,
                holdout=given.holdout,
                features=FEATURES,
                target="late",
                task="regression",
            ),
            tmp_path / "b",
        )
    with pytest.raises(InvalidData, match="no predict method"):
        pack(
            Candidate(model=object(), train=given.train, holdout=given.holdout, features=FEATURES, target="late"),
            tmp_path / "c",
        )


class Odd:
    """A model that no list of trusted types names."""

    classes_ = np.array([False, True])

    def predict(self, rows: pl.DataFrame) -> np.ndarray:
        return np.zeros(len(rows), dtype=bool)


def test_pickles_only_on_purpose(tmp_path: Path) -> None:
    given = Candidate(model=Odd(), train=ROWS, holdout=ROWS, features=NUMBERS, target="late")
    with pytest.raises(Refused, match=r"test_artifact\.Odd") as caught:
        pack(given, tmp_path / "a")
    assert "trust_pickle: true" in str(caught.value.hint)
    artifact = pack(given, tmp_path / "b", trust_pickle=True)
    assert artifact.manifest.format == "joblib"
    with pytest.raises(Refused, match="is a pickle"):
        load_artifact(tmp_path / "b")
    assert load_artifact(tmp_path / "b", trust_pickle=True).predict(ROWS.select(NUMBERS)).label.sum() == 0


def test_types_can_be_trusted_by_name(tmp_path: Path) -> None:
    given = Candidate(model=Odd(), train=ROWS, holdout=ROWS, features=NUMBERS, target="late")
    artifact = pack(given, tmp_path / "a", trusted_types=["test_artifact.Odd"])
    assert artifact.manifest.format == "skops"
    with pytest.raises(Refused, match=r"not trusted: test_artifact\.Odd"):
        load_artifact(tmp_path / "a")


@pytest.mark.parametrize("name", ["manifest.json", "model.skops", "signature.json", "probe.parquet"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damage_is_noticed(name: str, harm: str, tmp_path: Path, candidate: Candidate) -> None:
    pack(candidate, tmp_path / "a")
    path = tmp_path / "a" / name
    data = bytearray(path.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
    elif harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.unlink()
    with pytest.raises((Corrupted, InvalidData)):
        load_artifact(tmp_path / "a")


def test_files_that_the_manifest_does_not_name_are_refused(tmp_path: Path, candidate: Candidate) -> None:
    pack(candidate, tmp_path / "a")
    (tmp_path / "a" / "code").mkdir()
    (tmp_path / "a" / "code" / "extra.py").write_text("")
    with pytest.raises(Corrupted, match=r"disagree about code/extra\.py"):
        load_artifact(tmp_path / "a")


def test_newer_formats_are_refused(tmp_path: Path, candidate: Candidate) -> None:
    pack(candidate, tmp_path / "a")
    manifest = msgspec.json.decode((tmp_path / "a" / "manifest.json").read_bytes())
    (tmp_path / "a" / "manifest.json").write_bytes(msgspec.json.encode(manifest | {"format_version": 99}))
    with pytest.raises(InvalidData, match="format version 99"):
        read_manifest(tmp_path / "a")


def test_a_tree_that_points_outside_is_refused(tmp_path: Path) -> None:
    given = make_candidate()
    predictor = given.model[-1]._predictors[0][0]
    predictor.nodes["left"][0] = 10_000
    from mainspring.versioning.formats.trees import check_trees

    with pytest.raises(Corrupted, match="points outside of itself"):
        check_trees(given.model)


def test_the_profile_travels_with_the_model(tmp_path: Path, candidate: Candidate) -> None:
    assert pack(candidate, tmp_path / "a").profile is None
    assert pack(candidate, tmp_path / "b", profile=b"{}").profile == b"{}"


@pytest.mark.parametrize(
    ("train", "holdout", "categories"),
    [
        (pl.Categorical, pl.String, ["a", "b"]),
        (pl.Enum(["b", "a"]), pl.Enum(["b", "a", "c"]), ["b", "a"]),
        (pl.String, pl.Categorical, None),
    ],
)
def test_tables_may_hold_text_in_different_ways(train: Any, holdout: Any, categories: list[str] | None) -> None:
    rows = pl.DataFrame({"c": ["a", "b"], "y": [0, 1]})
    given = Candidate(
        model=OnlyArrays(),
        train=rows.with_columns(pl.col("c").cast(train)),
        holdout=rows.with_columns(pl.col("c").cast(holdout)),
        features=["c"],
        target="y",
    )
    assert signature_of(given).categories == ({"c": categories} if categories else {})


def test_tables_that_disagree_about_a_column() -> None:
    rows = pl.DataFrame({"c": [1, 2], "y": [0, 1]})
    other = rows.with_columns(pl.col("c").cast(pl.String))
    given = Candidate(model=OnlyArrays(), train=rows, holdout=other, features=["c"], target="y")
    with pytest.raises(InvalidData, match="is Int64 in the train table and String in the holdout"):
        signature_of(given)

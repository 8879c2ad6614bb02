"""Exports that are signed, and those that only look it."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from versioning_samples import make_candidate

from mainspring.base.errors import Corrupted, MainspringError, NotFound, UsageError
from mainspring.cli.main import run as command_line
from mainspring.store.workspace import Workspace
from mainspring.versioning import models
from mainspring.versioning.arrival import receive
from mainspring.versioning.candidate import Candidate
from mainspring.versioning.export import export, sum_line
from mainspring.versioning.lineage import find, walk

pytestmark = pytest.mark.slow  # packages are signed, checked and loaded, some by another program

PROGRAM = Path(sys.executable).with_name("model_signing")


@pytest.fixture
def elsewhere(tmp_path: Path, migrated: Path) -> Workspace:
    root = tmp_path / "elsewhere"
    shutil.copytree(migrated, root)
    return Workspace(root)


def write_key(path: Path, key: object, password: bytes | None = None) -> Path:
    """Write a private key; its public half lies beside it, as ``NAME.pub``."""
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def public(key: Path) -> Path:
    return key.with_suffix(".pub")


@pytest.fixture
def folder(workspace: Workspace, candidate: Candidate, key: Path, tmp_path: Path) -> Path:
    """A signed export of m@1.0.0."""
    models.register(workspace, "m", candidate)
    [made] = export(workspace, "m@1.0.0", tmp_path / "out", sign=key)
    return made


def openssf(verb: str, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run OpenSSF's own command line."""
    command = [PROGRAM, verb, "key", folder, "--signature", folder / "model.sig", *arguments]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


def consistent(folder: Path) -> None:
    """Make manifest and sums say what the folder holds, as a forger would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    outside = {"manifest.json", "SHA256SUMS", "model.sig"}
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    manifest["files"] = [said(folder / name, name) for name in names if name not in outside]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    sums = [(one["path"], one["sha256"]) for one in manifest["files"]]
    sums.append(("manifest.json", hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()))
    (folder / "SHA256SUMS").write_text("".join(sum_line(*one) for one in sorted(sums)))


def said(path: Path, name: str) -> dict[str, object]:
    data = path.read_bytes()
    sha256, md5 = hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest()
    return {"path": name, "size": len(data), "md5": md5, "sha256": sha256}


def test_what_was_signed_arrives(folder: Path, public: Path, workspace: Workspace, elsewhere: Workspace) -> None:
    assert subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=folder).returncode == 0
    statement = json.loads(base64.b64decode(json.loads((folder / "model.sig").read_text())["dsseEnvelope"]["payload"]))
    held = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {one["name"] for one in statement["predicate"]["resources"]} == held - {"model.sig"}
    assert statement["subject"][0]["name"] == "v1.0.0"
    [(version, existing)] = receive(elsewhere, folder, verify=public)
    assert (version.artifact, existing) == (models.resolve(workspace, "m").artifact, False)
    der = serialization.load_pem_public_key(public.read_bytes()).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    [first] = models.history(elsewhere, "m")
    assert first.evidence["imported"]["signed_by"] == hashlib.sha256(der).hexdigest()
    graph = walk(elsewhere, find(elsewhere, "m@1"))
    assert graph.of("import")[0].facts["signed_by"] == hashlib.sha256(der).hexdigest()
    assert receive(elsewhere, folder, verify=public)[0].existing


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()], ids=["384", "521"])
def test_other_curves(curve: ec.EllipticCurve, folder: Path, workspace: Workspace, elsewhere: Workspace) -> None:
    long = write_key(folder.parent / "long.pem", ec.generate_private_key(curve))
    [made] = export(workspace, "m@1.0.0", folder.parent / "again", sign=long)
    assert not receive(elsewhere, made, verify=long.with_suffix(".pub"))[0].existing


def _byte(folder: Path) -> None:
    path = folder / "MODEL_CARD.md"
    path.write_bytes(path.read_bytes().replace(b"m", b"n", 1))


def _extra(folder: Path) -> None:
    (folder / "model" / "extra.py").write_text("print('hello')\n")


def _hidden(folder: Path) -> None:
    (folder / "model" / ".gitignore").write_text("*\n")


def _missing(folder: Path) -> None:
    (folder / "model" / "probe.parquet").unlink()


def _renamed(folder: Path) -> None:
    (folder / "model" / "probe.parquet").rename(folder / "model" / "probes.parquet")


def _origin(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["origin"]["actor"] = "somebody else"
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _no_signature(folder: Path) -> None:
    (folder / "model.sig").unlink()


def _signature(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        bundle = json.loads((folder / "model.sig").read_text())
        change(bundle)
        (folder / "model.sig").write_text(json.dumps(bundle))

    return changed


def _payload(bundle: dict[str, object]) -> None:
    envelope = bundle["dsseEnvelope"]
    text = base64.b64decode(envelope["payload"]).replace(b'"v1.0.0"', b'"v1.0.1"')
    envelope["payload"] = base64.b64encode(text).decode()


def _text(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "model.sig").write_text(text) and None


@pytest.mark.parametrize("forge", [_byte, _extra, _hidden, _missing, _renamed, _origin])
def test_a_forgery_that_its_sums_confirm(
    folder: Path, public: Path, elsewhere: Workspace, forge: Callable[[Path], None]
) -> None:
    forge(folder)
    consistent(folder)
    with pytest.raises(Corrupted, match=r"model\.sig does not hold: Signature mismatch"):
        receive(elsewhere, folder, verify=public)
    assert models.names(elsewhere) == []
    assert list((elsewhere.state / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_no_signature, "is not signed"),
        (_text(""), "does not hold"),
        (_text("{}"), "does not hold"),
        (_text("[" * 100_000), "does not hold"),
        (_signature(lambda bundle: bundle.update(mediaType="x")), "does not hold"),
        (_signature(lambda bundle: bundle["dsseEnvelope"].update(signatures=[])), "does not hold"),
        (_signature(lambda bundle: bundle["verificationMaterial"].update(publicKey={"hint": "0"})), "Key mismatch"),
        (_signature(_payload), "this key did not sign it"),
    ],
)
def test_a_signature_that_is_none(
    folder: Path, public: Path, elsewhere: Workspace, damage: Callable[[Path], None], said: str
) -> None:
    damage(folder)
    with pytest.raises(Corrupted, match=said):
        receive(elsewhere, folder, verify=public)
    assert models.names(elsewhere) == []


def test_a_signature_without_the_name_of_its_key(
    folder: Path, public: Path, elsewhere: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    _signature(lambda bundle: bundle["verificationMaterial"].update(publicKey={}))(folder)
    other = write_key(folder.parent / "other.pem", ec.generate_private_key(ec.SECP256R1())).with_suffix(".pub")
    with pytest.raises(Corrupted, match="this key did not sign it"):
        receive(elsewhere, folder, verify=other)
    assert not receive(elsewhere, folder, verify=public)[0].existing
    assert capsys.readouterr().out == ""


def test_another_key(folder: Path, elsewhere: Workspace) -> None:
    other = write_key(folder.parent / "other.pem", ec.generate_private_key(ec.SECP256R1())).with_suffix(".pub")
    with pytest.raises(Corrupted, match="does not hold: Key mismatch"):
        receive(elsewhere, folder, verify=other)
    assert models.names(elsewhere) == []


def test_the_signature_of_another_version(
    folder: Path, key: Path, public: Path, workspace: Workspace, elsewhere: Workspace
) -> None:
    models.register(workspace, "m", make_candidate(seed=5))
    out = folder.parents[2]
    newer = next(iter(export(workspace, "m@2", out, sign=key)))
    shutil.copyfile(folder / "model.sig", newer / "model.sig")
    with pytest.raises(Corrupted, match=f"{newer.name}: model.sig does not hold"):
        receive(elsewhere, out, verify=public)
    assert models.names(elsewhere) == []  # the first, which is as it was signed, neither


def test_a_signature_that_leaves_out_files(folder: Path, key: Path, public: Path, elsewhere: Workspace) -> None:
    (folder / "model.sig").unlink()
    done = openssf("sign", folder, "--private_key", key, "--ignore-paths", folder / "model")
    assert done.returncode == 0, done.stderr
    assert openssf("verify", folder, "--public_key", public).returncode == 0
    with pytest.raises(Corrupted, match="Extra files"):
        receive(elsewhere, folder, verify=public)


def test_openssf_and_we_check_each_other(folder: Path, key: Path, public: Path, elsewhere: Workspace) -> None:
    done = openssf("verify", folder, "--public_key", public)
    assert done.returncode == 0, done.stderr
    (folder / "model.sig").unlink()
    done = openssf("sign", folder, "--private_key", key)
    assert done.returncode == 0, done.stderr
    assert not receive(elsewhere, folder, verify=public)[0].existing
    _byte(folder)
    assert openssf("verify", folder, "--public_key", public).returncode == 1


def test_keys_that_cannot_sign(workspace: Workspace, candidate: Candidate, key: Path, tmp_path: Path) -> None:
    models.register(workspace, "m", candidate)
    locked = write_key(tmp_path / "locked.pem", ec.generate_private_key(ec.SECP256R1()), b"secret")
    unusable = {
        tmp_path / "none.pem": (NotFound, "cannot be read"),
        tmp_path: (NotFound, "cannot be read"),
        locked: (UsageError, "is encrypted"),
        key.with_suffix(".pub"): (UsageError, "no private key"),
        write_key(tmp_path / "rsa.pem", rsa.generate_private_key(65537, 2048)): (UsageError, "no private key"),
        write_key(tmp_path / "ed.pem", ed25519.Ed25519PrivateKey.generate()): (UsageError, "no private key"),
        write_key(tmp_path / "k1.pem", ec.generate_private_key(ec.SECP256K1())): (UsageError, "no private key"),
    }
    for path, (error, said) in unusable.items():
        with pytest.raises(error, match=said):
            export(workspace, "m", tmp_path / "out", sign=path)
    assert not (tmp_path / "out").exists()


def test_keys_that_cannot_check(folder: Path, key: Path, elsewhere: Workspace) -> None:
    rsa_key = write_key(folder.parent / "rsa.pem", rsa.generate_private_key(65537, 2048)).with_suffix(".pub")
    for path, error in {key: UsageError, rsa_key: UsageError, folder / "none": NotFound}.items():
        with pytest.raises(error):
            receive(elsewhere, folder, verify=path)


def test_the_library_may_be_missing(folder: Path, public: Path, elsewhere: Workspace, monkeypatch: object) -> None:
    monkeypatch.setitem(sys.modules, "model_signing.verifying", None)
    with pytest.raises(MainspringError, match="which is not installed") as caught:
        receive(elsewhere, folder, verify=public)
    assert caught.value.hint == "pip install 'mainspring[sign]'"
    assert not receive(elsewhere, folder)[0].existing


def test_the_commands(
    folder: Path,
    key: Path,
    public: Path,
    workspace: Workspace,
    elsewhere: Workspace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here, there = ["--workspace", str(workspace.root)], ["--workspace", str(elsewhere.root)]
    out = folder.parents[2] / "second"
    assert command_line([*here, "models", "export", "m", str(out), "--sign", str(key)]) == 0
    _byte(folder)
    consistent(folder)
    assert command_line([*there, "models", "import", str(folder), "--verify", str(public)]) == Corrupted.exit_code
    capsys.readouterr()
    assert command_line([*there, "models", "import", str(out), "--verify", str(public), "--json"]) == 0
    told = capsys.readouterr()
    assert (json.loads(told.out)[0]["verified"], told.err) == (True, "")
    assert command_line([*there, "models", "import", str(out)]) == 0
    assert capsys.readouterr().err == "the signature was not checked: --verify PUBLIC does\n"

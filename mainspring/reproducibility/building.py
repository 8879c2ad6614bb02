"""Building a virtual environment of what a run had, as far as it can be had."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import ExternalToolError
from mainspring.reproducibility.origins import requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

INSTALLERS = frozenset({"pip", "setuptools", "wheel", "uv"})
"""Distributions that put others in place and take no part in a run."""
OURSELVES = "mainspring"
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_PINNED = re.compile(r"^\s*([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
_NOT_FOUND = re.compile(
    r"No matching distribution found for ([\w.-]+)|no version of ([\w.-]+)==|Because ([\w.-]+) was not found|"
    r"requirement ([\w.-]+)=="
)
_NOT_BUILT = re.compile(
    r"Failed to (?:download and )?build `?([\w.-]+)(?:==|`|$)|Failed building wheel for ([\w.-]+)|"
    r"Could not build wheels for ([\w.-]+)"
)
_UNBUILT = "it has to be built, and cannot be on this machine"
_NO_METADATA = ("error: metadata-generation-failed", "error: subprocess-exited-with-error")
_COLLECTING = re.compile(r"Collecting ([\w.-]+)==|Processing (?:\S*/)?([\w.]+)-")
_OTHER_BYTES = re.compile(r"^\s+([\w.-]+)==\S+ from |Hash mismatch for `([\w.-]+)==")


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution that a run had and that cannot be had, and why."""

    name: str
    version: str
    why: str


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """An environment: its interpreter, how many distributions were installed, how many of them by their hashes."""

    interpreter: Path
    installed: int
    hashed: int
    missing: list[Missing]


def build(
    recorded: Mapping[str, Any],
    folder: Path,
    *,
    hashes: Mapping[str, Sequence[str]],
    say: Callable[[str], None],
    own: Mapping[str, Path] | None = None,
) -> Built:
    """Build a virtual environment with the recorded distributions in ``folder``, without looking at dependencies.

    ``hashes`` are sha256 by ``name==version``: what has some is installed only with one of these bytes. ``own`` are folders
    of distributions that are the project's, which are installed editable. Mainspring itself is copied from what runs now, for
    a development version is in no index. What cannot be had is left out and named.

    Raises:
        ExternalToolError: that Python is not on this machine, or the installer failed for a reason of its own.
    """
    base = _interpreter(str(recorded.get("python", "")))
    say(f"making a virtual environment with {base}")
    _run([base, "-m", "venv", "--without-pip", "--clear", str(folder)], say=lambda _line: None)
    interpreter = folder / "bin" / "python"
    wanted, missing = _wanted(recorded, own or {})
    checked = {pin: line for pin, line in wanted.items() if hashes.get(pin) and line == pin}
    free = {pin: line for pin, line in wanted.items() if pin not in checked}
    lines = {pin: f"{line} {' '.join(f'--hash=sha256:{one}' for one in hashes[pin])}" for pin, line in checked.items()}
    say(f"installing {len(wanted)} distributions, {len(checked)} of them by their hashes")
    missing += _install(interpreter, folder / "locked.txt", lines, ["--require-hashes"], say)
    missing += _install(interpreter, folder / "requirements.txt", free, [], say)
    _bring_ourselves(interpreter)
    lost = {f"{one.name}=={one.version}" for one in missing}
    return Built(
        interpreter=interpreter,
        installed=len(wanted.keys() - lost),
        hashed=len(checked.keys() - lost),
        missing=sorted(missing, key=lambda one: one.name),
    )


def locked_hashes(text: bytes) -> dict[str, list[str]]:
    """Return the sha256 that a lock file holds, by ``name==version``: of pip's, uv's, Poetry's, PDM's, Pipenv's and PEP 751's
    form.

    >>> locked_hashes(b"tiny==1.2 --hash=sha256:" + b"0" * 64)
    {'tiny==1.2': ['0000000000000000000000000000000000000000000000000000000000000000']}
    """
    said = text.decode(errors="replace")
    for read in (_packages_of_toml, _packages_of_json):
        try:
            packages = read(said)
        except ValueError:
            continue
        named = {f"{_normal(name)}=={version}": sorted(set(_hashes_in(package))) for name, version, package in packages}
        return {pin: hashes for pin, hashes in named.items() if hashes}
    found: dict[str, list[str]] = {}
    pin = None
    for line in said.splitlines():
        if (matched := _PINNED.match(line)) is not None:
            pin = f"{_normal(matched[1])}=={matched[2]}"
        if pin is not None and (held := _SHA256.findall(line)):
            found.setdefault(pin, []).extend(held)
    return found


def _packages_of_toml(text: str) -> list[tuple[str, str, Any]]:
    tree = tomllib.loads(text)
    packages = [*tree.get("package", ()), *tree.get("packages", ())]
    return [(str(package.get("name")), str(package.get("version")), package) for package in packages]


def _packages_of_json(text: str) -> list[tuple[str, str, Any]]:
    """Return what a ``Pipfile.lock`` names."""
    tree = json.loads(text)
    packages = {**tree.get("develop", {}), **tree.get("default", {})}
    return [(name, str(said.get("version", "")).removeprefix("=="), said) for name, said in packages.items()]


def _hashes_in(value: Any, name: str = "") -> Iterable[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _hashes_in(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _hashes_in(item, name)
    elif isinstance(value, str):
        yield from _SHA256.findall(value)
        if name == "sha256" and re.fullmatch(r"[0-9a-f]{64}", value):
            yield value


def _wanted(recorded: Mapping[str, Any], own: Mapping[str, Path]) -> tuple[dict[str, str], list[Missing]]:
    """Return what to install, ``name==version`` → requirement, and what came from where nobody can get it again."""
    origins = recorded.get("origins") or {}
    wanted: dict[str, str] = {}
    missing: list[Missing] = []
    for name, version in sorted((recorded.get("distributions") or {}).items()):
        if name in INSTALLERS or name == OURSELVES:
            continue
        line, why = (f"-e {own[name]}", "") if name in own else requirement(name, version, origins.get(name) or {})
        if line:
            wanted[f"{name}=={version}"] = line
        else:
            missing.append(Missing(name=name, version=version, why=why))
    return wanted, missing


def _install(
    interpreter: Path, file: Path, lines: Mapping[str, str], options: list[str], say: Callable[[str], None]
) -> list[Missing]:
    """Install requirements; leave out, one after the other, those that the installer cannot find."""
    waiting, missing = dict(lines), list[Missing]()
    separate = {pin: line for pin, line in waiting.items() if not line.startswith(pin)}
    for pin, line in separate.items():
        del waiting[pin]
        file.write_text(line + "\n", encoding="utf-8")
        try:
            _run([*_installer(interpreter), "--no-deps", "--requirement", str(file)], say=say)
        except ExternalToolError as error:
            missing.append(_named(pin, f"{line.partition('#egg=')[0]} cannot be had: {_last(error)}"))
    while waiting:
        file.write_text("\n".join(waiting.values()) + "\n", encoding="utf-8")
        try:
            _run([*_installer(interpreter), "--no-deps", *options, "--requirement", str(file)], say=say)
            break
        except ExternalToolError as error:
            lost = _lost(error, waiting)
            if lost is None:
                raise
            missing.append(lost)
            del waiting[f"{lost.name}=={lost.version}"]
            say(f"{lost.name}=={lost.version}: {lost.why}")
    return missing


def _lost(error: ExternalToolError, waiting: Mapping[str, str]) -> Missing | None:
    """Return the distribution that an installer says it cannot have."""
    output = error.details.get("output")
    pins = {pin.partition("==")[0]: pin for pin in waiting}
    for line in output if isinstance(output, list) else ():
        for pattern, why in (
            (_OTHER_BYTES, "what is offered has other bytes than the lock says"),
            (_NOT_FOUND, "no index has it"),
            (_NOT_BUILT, _UNBUILT),
        ):
            if (found := pattern.search(line)) is not None:
                name = _normal(next(group for group in found.groups() if group))
                if name in pins:
                    return _named(pins[name], why)
        if line in _NO_METADATA and (pin := pins.get(str(error.details.get("collecting")))) is not None:
            return _named(pin, _UNBUILT)
    return None


def _named(pin: str, why: str) -> Missing:
    name, _, version = pin.partition("==")
    return Missing(name=name, version=version, why=why)


def _last(error: ExternalToolError) -> str:
    output = error.details.get("output")
    return str(output[-1]) if isinstance(output, list) and output else error.message


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _interpreter(version: str) -> str:
    wanted = ".".join(version.split(".")[:2])
    if wanted == f"{sys.version_info.major}.{sys.version_info.minor}":
        return getattr(sys, "_base_executable", sys.executable)
    found = shutil.which(f"python{wanted}")
    if found is None:
        raise ExternalToolError(
            f"Python {version} is not on this machine", hint=f"install python{wanted}", python=version
        )
    return found


def _installer(interpreter: Path) -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        return [sys.executable, "-m", "pip", "--python", str(interpreter), "install", *quiet]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise ExternalToolError("there is neither pip nor uv to install distributions with", hint="install pip")
    return [uv, "pip", "install", "--python", str(interpreter)]


def _bring_ourselves(interpreter: Path) -> None:
    package = Path(__file__).parents[1]
    target = libraries(interpreter)[0] / package.name
    if not target.exists():
        shutil.copytree(package, target, ignore=shutil.ignore_patterns("__pycache__"))


def libraries(interpreter: Path) -> list[Path]:
    """Return the folders in which an interpreter has its distributions, the first for those in pure Python."""
    script = "import sysconfig; print(sysconfig.get_path('purelib')); print(sysconfig.get_path('platlib'))"
    answer = subprocess.run([str(interpreter), "-I", "-c", script], capture_output=True, text=True, check=True)
    return [Path(line) for line in dict.fromkeys(answer.stdout.splitlines())]


def _run(command: Iterable[str], *, say: Callable[[str], None]) -> None:
    arguments = list(command)
    last: deque[str] = deque(maxlen=40)
    collecting = ""
    try:
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                last.append(line.rstrip())
                if (found := _COLLECTING.match(line)) is not None:
                    collecting = _normal(found[1] or found[2])
                if told := _progress(line):
                    say(told)
    except OSError as error:
        raise ExternalToolError(f"{arguments[0]} could not be started: {error}") from error
    if process.returncode != 0:
        errors = [line for line in last if line.lower().startswith("error")] or list(last)[-5:]
        said = " ".join(errors).strip()
        raise ExternalToolError(f"{' '.join(arguments[:4])} failed: {said}", output=list(last), collecting=collecting)


def _progress(line: str) -> str | None:
    """Return what a line of pip or uv tells somebody who waits; None for the rest.

    >>> _progress("Collecting numpy==2.4.6 (from -r requirements.txt (line 3))"), _progress("WARNING: Location")
    ('collecting numpy==2.4.6', None)
    """
    found = re.match(r"(Collecting|Processing|Building|Downloading) +(\S+)", line.strip())
    return f"{found[1].lower()} {Path(found[2]).name}" if found else None

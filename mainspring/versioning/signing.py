"""Signatures of folders in OpenSSF Model Signing's format, made and checked with an elliptic-curve key, without a network."""

from __future__ import annotations

import hashlib
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import Corrupted, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUNDLE = "model.sig"
"""The file that holds a folder's signature, a Sigstore bundle."""


class Signer:
    """Signs folders with a private key.

    Raises:
        NotFound, UsageError: the key's file cannot be read, is encrypted or holds no elliptic-curve key.
    """

    def __init__(self, key: Path) -> None:
        library = _library()
        hint = "an elliptic-curve key in PEM, not encrypted: `openssl ecparam -name prime256v1 -genkey -noout -out KEY.pem`"
        config = library.signing.Config().set_hashing_config(_everything(library))
        self._config = _opened(key, "private", hint, lambda: config.use_elliptic_key_signer(private_key=key))

    def sign(self, folder: Path) -> None:
        """Write ``model.sig`` into a folder, over every other file of it."""
        self._config.sign(folder, folder / BUNDLE)


class Verifier:
    """Checks folders with a public key; ``fingerprint`` is the sha256 of the key's DER.

    Raises:
        NotFound, UsageError: the key's file cannot be read or holds no public key of an elliptic curve.
    """

    def __init__(self, key: Path) -> None:
        library = _library()
        hint = "the public half, in PEM: `openssl ec -in KEY.pem -pubout -out PUBLIC.pem`"
        config = library.verifying.Config().set_hashing_config(_everything(library))
        self._config = _opened(key, "public", hint, lambda: config.use_elliptic_key_verifier(public_key=key))
        self.fingerprint = _fingerprint(key)

    def verify(self, folder: Path) -> None:
        """Compare a folder with its ``model.sig``: every file of it has to be signed, and every signed file has to be in it.

        Raises:
            Corrupted: it is signed by another key, or holds something else than was signed.
        """
        try:
            with redirect_stdout(sys.stderr):  # the library warns of old signatures where our answers are printed
                self._config.verify(folder, folder / BUNDLE)
        except Exception as error:  # noqa: BLE001 - it takes apart what a stranger wrote
            why = " ".join(str(error).split())[:500] or "this key did not sign it"
            raise Corrupted(f"{BUNDLE} does not hold: {why}", key=self.fingerprint) from None


def _library() -> Any:
    try:
        import model_signing
        import model_signing.signing
        import model_signing.verifying
    except ImportError:
        raise UsageError(
            "signatures need OpenSSF Model Signing, which is not installed", hint="pip install 'mainspring[sign]'"
        ) from None
    return model_signing


def _everything(library: Any) -> Any:
    """Return how a folder is hashed: whole, whatever its signature says is to be left out."""

    class Everything(library.hashing.Config):  # type: ignore[misc]  # the library is loaded late, so it is Any
        def hash(self, model_path: Path, *, files_to_hash: Any = None) -> Any:
            del files_to_hash
            self.set_ignored_paths(paths=[BUNDLE], ignore_git_paths=False)
            return super().hash(model_path)

    return Everything()


def _opened(key: Path, kind: str, hint: str, load: Callable[[], Any]) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return load()
    except OSError as error:
        raise NotFound(f"the {kind} key {key} cannot be read: {error.strerror}", hint=f"give {hint}") from None
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
        if kind == "private" and isinstance(error, TypeError):  # this is how the library asks for a password
            raise UsageError(
                f"{key} is encrypted", hint="ask for it in the shell: --sign <(openssl ec -in KEY.pem)"
            ) from None
        raise UsageError(f"{key} is no {kind} key that can be used", hint=f"give {hint}") from None


def _fingerprint(key: Path) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    der = load_pem_public_key(key.read_bytes()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()

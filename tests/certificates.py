"""An authority of our own, and the certificates that it makes."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

_USES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
_USES += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")


class Authority:
    """Whose certificate lies in ``file``, and is known to no machine."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "authority.pem"
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("An Authority of Our Own")
        uses = x509.KeyUsage(**{use: use in ("key_cert_sign", "crl_sign") for use in _USES})
        made = self._begun(self._name, self._key.public_key(), days=2).add_extension(uses, critical=True)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def server(self, host: str = "127.0.0.1", *, days: int = 2) -> ssl.SSLContext:
        """Return what a server encrypts with; its certificate is valid from a year ago until in some days.

        ``host`` is an address in numbers, or a name.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        is_number = host.replace(".", "").isdigit()
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host)) if is_number else x509.DNSName(host)])
        made = self._begun(_name(host), key.public_key(), days=days).add_extension(names, critical=False)
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        signed = made.add_extension(signer, critical=False).sign(self._key, hashes.SHA256())
        written = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = self._folder / f"server-{signed.serial_number}.pem"
        file.write_bytes(written + signed.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _begun(self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(self._name, name, key)
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=365))
        made = made.not_valid_after(now + timedelta(days=days))
        return made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

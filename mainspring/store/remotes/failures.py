"""What a remote answered, in words that a person can act on. Secrets are never among them."""

from __future__ import annotations

import re
from typing import NamedTuple

from mainspring.base.errors import StorageError


class _Case(NamedTuple):
    pattern: str
    said: str
    hint: str


_AGAIN = "then run the same command again: what was done is kept"
_CASES = (
    _Case(
        r"NoSuchBucket|ContainerNotFound|The specified bucket does not exist",
        "its bucket does not exist",
        "create the bucket, or correct the remote's `url`",
    ),
    _Case(
        r"ExpiredToken|TokenRefreshRequired|RequestExpired|token (has )?expired|invalid_grant|Signature not valid in the",
        "the credentials have expired",
        "log in again (`aws sso login`, `gcloud auth application-default login`, `az login`), or export fresh ones, "
        + _AGAIN,
    ),
    _Case(r"RequestTimeTooSkewed", "this machine's clock is wrong", "set the clock, " + _AGAIN),
    _Case(
        r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|InvalidSecurity|AuthenticationFailed|"
        r"InvalidAuthenticationInfo|401 Unauthorized|UnauthenticatedError|lacked valid authentication",
        "it does not accept the credentials",
        "check the profile, the AWS_…, GOOGLE_… or AZURE_… variables, or the remote's `credentials`",
    ),
    _Case(
        r"169\.254\.169\.254|metadata\.google|ECS_CONTAINER|NoCredentials",
        "no credentials were found",
        "name a `profile`, log in, or export the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
        "GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_KEY); to read a public bucket say `anonymous: true`",
    ),
    _Case(
        r"403 Forbidden|AccessDenied|AllAccessDisabled|lacked the necessary privileges|PermissionDenied",
        "it does not allow this (403)",
        "ask its owner for the right to list, read and write there, or use other credentials",
    ),
    _Case(
        r"redirect without LOCATION|PermanentRedirect|AuthorizationHeaderMalformed",
        "the bucket is in another region",
        "set the remote's `region`",
    ),
    _Case(
        r"URL scheme is not allowed|BadScheme",
        "unencrypted http is not allowed here",
        "write the endpoint as https://…; http:// has to stand in the remote's `endpoint`",
    ),
    _Case(
        r"dns error|failed to lookup address|Name or service not known|NotResolved",
        "its host's name is not known",
        "check the `endpoint` and the network, " + _AGAIN,
    ),
    _Case(r"Connection refused|ConnectError|tcp connect", "nobody answers there", "check the `endpoint`, " + _AGAIN),
    _Case(
        r"InvalidCertificate\(\s*(Expired|NotValidYet)|certificate (expired|not valid yet)",
        "its certificate is not valid now",
        "check this machine's clock; otherwise the certificate has to be renewed",
    ),
    _Case(
        r"InvalidCertificate\(\s*NotValidForName|certificate not valid for name",
        "its certificate is for another host",
        "write the `endpoint` with the host that the certificate is for",
    ),
    _Case(
        r"CaUsedAsEndEntity",
        "its certificate is an authority's, not a server's",
        "have a certificate for the server made (CA:FALSE), and name the one that signs it in the remote's `ca_file`",
    ),
    _Case(
        r"InvalidCertificate|[Cc]ertificate",
        "its certificate is not trusted",
        "if its authority is your company's own, name the authority's certificate (a file in PEM) in the remote's `ca_file`; "
        "or in SSL_CERT_FILE, which goes for everything, and in place of this machine's",
    ),
    _Case(
        r"InvalidContentType|InvalidMessage",
        "it does not speak https",
        "correct the `endpoint`; if it is to go unencrypted, write it as http://HOST:PORT",
    ),
    _Case(
        r"TimedOut|timed out|operation timed out",
        "it did not answer in time",
        "check the network, or raise the remote's `timeout`, " + _AGAIN,
    ),
    _Case(
        r"BadDigest|XAmzContentSHA256Mismatch|ContentMD5Mismatch|Md5Mismatch",
        "the bytes arrived there damaged",
        "check the network, " + _AGAIN,
    ),
    _Case(
        r"non-2xx status code:?\s+(5\d\d|429)|SlowDown|InternalError|ServiceUnavailable",
        "it failed again and again",
        "wait until the service is well, " + _AGAIN,
    ),
    _Case(
        r"IncompleteMessage|Connection reset|ConnectionReset|connection closed|UnexpectedEof|unexpected EOF|"
        r"decoding response body|BrokenPipe|Broken pipe|error sending request|reading a body|Body error",
        "the connection was cut",
        "check the network, " + _AGAIN,
    ),
    _Case(r"No space left|os error 28", "its disk is full", "free some space there, " + _AGAIN),
    _Case(r"Read-only file system|os error 30", "its file system is read-only", "mount it writable"),
    _Case(r"Permission denied|os error 13", "its folder does not allow this", "check the rights of the folder"),
)
_PASSING = ("the connection was cut", "it did not answer in time", "the bytes arrived there damaged")
_QUERY = re.compile(r"(https?://[^\s?\"']+)\?[^\s\"')]*")


def explained(error: BaseException, *, remote: str, url: str, doing: str) -> StorageError:
    """Return the error for what happened while ``doing`` something to a remote."""
    said, hint = reason(error)
    return StorageError(f"cannot {doing} the remote '{remote}' ({url}): {said}", hint=hint, remote=remote, url=url)


def reason(error: BaseException) -> tuple[str, str]:
    """Return what happened, and what to do about it."""
    case = _case(error)
    if case is None:
        first = _QUERY.sub(r"\1", str(error).partition("Debug source")[0]).strip().splitlines()
        shown = first[0][:300] if first else type(error).__name__
        case = _Case("", shown, "check the remote's settings and the network, " + _AGAIN)
    failed = re.search(r"status code:?\s+(\d{3})", str(error))
    return case.said + (f" ({failed[1]})" if failed and failed[1] not in case.said else ""), case.hint


def is_passing(error: BaseException) -> bool:
    """Say whether the same request may well succeed when it is made again."""
    case = _case(error)
    return case is not None and case.said in _PASSING


def _case(error: BaseException) -> _Case | None:
    text = f"{type(error).__name__}: {error}"
    return next((case for case in _CASES if re.search(case.pattern, text)), None)

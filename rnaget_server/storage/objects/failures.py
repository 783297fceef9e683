"""The errors of object storage, in words that hold no secret and no address of a request."""

from __future__ import annotations

import os
import re

from rnaget_server.storage.urls import is_web

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_NAME = re.compile(r'[Pp]ath "(.*?)"(?: contained|:)', re.DOTALL)
_OF_SYSTEM = re.compile(r'Os \{[^}]*message: "([^"]+)"|([^:\n]+) \(os error \d+\)')
_SLOW_DOWN = (429, 503)
_DENIED = (401, 403)
_PASSING, _PASSING_CODES = (408, 409, 425), ("RequestTimeout",)
_SKEWED = ("RequestTimeTooSkewed", "RequestExpired")
_KEYS = {
    "InvalidAccessKeyId": "it does not know the access key: correct AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret key does not fit the access key: correct AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "the credentials have expired: get new ones",
    "InvalidToken": "it does not take the token: correct AWS_SESSION_TOKEN",
}


class ObjectFailure(OSError):
    """Object storage does not give or take what is asked of it.

    Attributes
    ----------
    passing
        True if it may do so a moment later.
    slow_down
        True if it asks for fewer requests.
    """

    def __init__(self, message: str, passing: bool = False, slow_down: bool = False) -> None:
        super().__init__(message)
        self.passing = passing
        self.slow_down = slow_down


class ObjectChanged(ObjectFailure):
    """An object is no longer the one that was opened."""


class ObjectGone(ObjectFailure):
    """There is no such object."""


class ObjectExists(ObjectFailure):
    """There is such an object, or it is not in the state that it was to have."""


def failure_of(error: Exception, place: str) -> ObjectFailure:
    """Return what an error of the library means.

    Parameters
    ----------
    error
        What the library raised.
    place
        The URL of the catalogue.
    """
    if isinstance(error, ObjectFailure):
        return error
    kind, text = type(error).__name__, str(error)
    status = next((int(number) for number in _STATUS.findall(text)), 0)
    code = next(iter(_CODE.findall(text)), "")
    if kind == "AlreadyExistsError":
        return ObjectExists(f"{place} has it already")
    if kind == "PreconditionError" or status == 412:
        return ObjectChanged("the object was replaced since it was opened: ask again in a moment")
    if code == "NoSuchBucket":
        return ObjectFailure(f"there is no bucket of {place}: make it, or correct its name")
    if isinstance(error, FileNotFoundError) or status == 404:
        return ObjectGone("the object is not there any more")
    if code in _SKEWED:
        return ObjectFailure(f"the clock of this machine and that of {place} differ: set this machine's, as by NTP")
    if code in _KEYS or kind in ("PermissionDeniedError", "UnauthenticatedError") or status in _DENIED:
        return ObjectFailure(f"{place} refuses access: {_KEYS.get(code, _without_key(place))}")
    if code == "AuthorizationHeaderMalformed" or "incorrectly configured region" in text:
        return ObjectFailure(f"{place} is in another region than it is asked for in: correct AWS_REGION")
    if status in _SLOW_DOWN:
        return ObjectFailure(f"{place} asks for fewer requests ({status})", passing=True, slow_down=True)
    if "169.254." in text:  # where machines of a cloud ask for credentials
        return ObjectFailure(f"{place} cannot be asked: {_without_key(place)}")
    if kind == "InvalidPathError":
        name = next(iter(_NAME.findall(text)), "")
        return ObjectFailure(
            f"{place} has an object whose name is no path of a file, {name!a}: remove it, or use a prefix of its own"
        )
    if kind == "NotSupportedError" and "Range" in text:
        return ObjectFailure(f"{place} does not give parts of files: let it be served by what knows Range requests")
    if place.startswith("file:"):
        why = next((first or second for first, second in _OF_SYSTEM.findall(text)), kind)
        return ObjectFailure(f"{place} cannot be used: {why}")
    if isinstance(error, NotImplementedError | TypeError | ValueError):
        return ObjectFailure(f"{place} cannot be used so ({kind})")
    # A request that is wrong is wrong the next time as well.
    passing = not 400 <= status < 500 or status in _PASSING or code in _PASSING_CODES
    said = f" as it should ({f'{status}, {code}' if code else status})" if status else ""
    return ObjectFailure(f"{place} does not answer{said}", passing=passing)


def _without_key(place: str) -> str:
    if place.startswith("s3") and not os.environ.get("AWS_ACCESS_KEY_ID"):
        return "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if is_web(place):
        return "it must be open to this machine without a sign-in"
    return "its credentials do not allow this"

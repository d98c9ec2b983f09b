"""Litestar's exceptions as the errors of the platform, in the one shape that every door answers with."""

from __future__ import annotations

import msgspec
import structlog
from litestar import Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    SerializationException,
    ValidationException,
)
from litestar.types import ExceptionHandlersMap

from antiphon.doors.errors import (
    ContentTooLarge,
    InternalError,
    MethodNotAllowed,
    RouteNotFound,
    error_answer,
    invalid_of,
)
from antiphon.doors.rest.services import RestRequest, correlation_of, services_of
from antiphon.errors import AntiphonError, InvalidRequest
from antiphon.text.quoting import shown

_log = structlog.get_logger("antiphon.rest")
_CONTENT_TOO_LARGE = 413
_MOST_WORDS = 200
"""Characters of the framework's words: they may repeat what a client has sent."""


def answer(request: RestRequest, error: AntiphonError) -> Response[bytes]:
    """Answer one of our own errors."""
    services_of(request).metrics.error("speech", error.type)
    told = error_answer(error)
    headers = {name.decode(): value.decode() for name, value in told.headers if name != b"content-length"}
    return Response(told.body, status_code=told.status, headers=headers, media_type="application/json")


def answer_http(request: RestRequest, exc: HTTPException) -> Response[bytes]:
    """Answer what the framework refuses: routes, methods, bodies."""
    return answer(request, _translated(request, exc))


def answer_undecodable(request: RestRequest, exc: Exception) -> Response[bytes]:
    """Answer JSON that is nested deeper than the decoder goes, or whose text is not UTF-8."""
    what = "is nested too deep" if isinstance(exc, RecursionError) else "is not UTF-8"
    return answer(request, InvalidRequest(f"The body is not valid JSON: it {what}.", code="invalid_json"))


def answer_fault(request: RestRequest, exc: Exception) -> Response[bytes]:
    """Answer a fault of ours: the log has the details."""
    _log.error("request failed unexpectedly", path=request.url.path, exc_info=exc)
    return answer(request, InternalError(f"Something went wrong here; see the log for {correlation_of(request)}."))


HANDLERS: ExceptionHandlersMap = {
    AntiphonError: answer,
    HTTPException: answer_http,
    RecursionError: answer_undecodable,
    UnicodeDecodeError: answer_undecodable,
    Exception: answer_fault,
}


def _translated(request: RestRequest, exc: HTTPException) -> AntiphonError:
    path = request.url.path
    match exc:
        case ValidationException():
            return _invalid(exc)
        case NotFoundException():
            return RouteNotFound(f"There is nothing at {shown(request.method)} {shown(path)}.")
        case MethodNotAllowedException():
            return MethodNotAllowed(f"{shown(request.method)} is not possible for {shown(path)}.")
        case HTTPException(status_code=status) if status == _CONTENT_TOO_LARGE:
            return ContentTooLarge("The request body is too large.")
        case ClientException() if isinstance(exc.__cause__, SerializationException):
            return InvalidRequest(f"The body is not valid JSON: {shown(exc.detail)}.", code="invalid_json")
        case HTTPException(status_code=status) if status < 500:
            return InvalidRequest(shown(exc.detail, _MOST_WORDS), code="invalid_request")
        case _:
            _log.error("request failed unexpectedly", path=path, exc_info=exc)
            return InternalError(f"Something went wrong here; see the log for {correlation_of(request)}.")


def _invalid(exc: ValidationException) -> InvalidRequest:
    """Name the field: msgspec's words, without the argument's name that the framework puts before them."""
    cause = exc.__cause__
    if not isinstance(cause, msgspec.ValidationError):
        return InvalidRequest(shown(exc.detail, _MOST_WORDS), code="invalid_request")
    words = str(cause).replace("`$.data", "`$", 1)
    if words == "Object missing required field `data`":
        return InvalidRequest("This request needs a JSON body.", code="missing_body")
    return invalid_of(words)

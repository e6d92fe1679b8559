"""What the document can't say: which of what fits it is also good on the box of the test."""

import os
import tomllib

import schemathesis

with open(os.environ["CONFIGURATION"], encoding="utf-8") as file:
    CONFIGURATION = file.read()
FAR_FUTURE_UNIX_S = 4_102_444_800


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation.definition.raw.get("operationId")
    # The session that the others use stays signed in.
    if operation == "signOut" and case.cookies:
        case.cookies["capturebox_session"] = os.environ["SECOND_SESSION"]
    if case.meta is None or not case.meta.generation.mode.is_positive or not isinstance(case.body, dict):
        return
    # No version that is made up is the box's.
    if operation == "replaceConfiguration" and case.headers:
        case.headers.pop("If-Match", None)
    # Not every text is a configuration, and the box goes on with the one it has.
    if operation in ("replaceConfiguration", "checkConfiguration"):
        if "toml" in case.body:
            case.body = {"toml": CONFIGURATION}
        else:
            case.body = {"settings": tomllib.loads(CONFIGURATION)}
    if operation == "addToken" and isinstance(case.body.get("expires_unix_s"), int):
        case.body["expires_unix_s"] = FAR_FUTURE_UNIX_S

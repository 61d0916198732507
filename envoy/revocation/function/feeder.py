"""Feeds the deny list: puts who was signed out, as CloudTrail tells it, into one object of S3.

An AWS Lambda function of the Python runtime, which has boto3; template.yaml sets it up. It is invoked
with messages of a queue, each an event of CloudTrail, and by a schedule with nothing, so that
`written_at` goes on rising where nobody signs out.
"""

import json
import os
import random
import time
from datetime import datetime

import boto3
from botocore.exceptions import ClientError

# What ends all sign-ins of a user. RevokeToken ends one of them, but CloudTrail does not say which.
SIGNED_OUT = {
    "AdminDeleteUser",
    "AdminDisableUser",
    "AdminUserGlobalSignOut",
    "DeleteUser",
    "GlobalSignOut",
    "RevokeToken",
}

# The members of a pool, and whether they hold times alone or may be lists of ids.
TIMES = {"signed_in_before", "issued_before", "clients"}
IDS = {"origin_jti", "jti"}
# What a refresh keeps: these entries are about tokens that have not been issued yet.
OUTLIVE_REFRESH = {"signed_in_before", "origin_jti"}

DAY = 24 * 60 * 60
# No access or id token lives longer, and no authorizer allows for more skew than five minutes.
TOKEN_LIFE = DAY + 5 * 60
# A list that is dated further ahead is refused by every authorizer.
MAX_AHEAD = 5 * 60
# Rewriting takes some 50 ms, so that two writers seldom meet, and never so often.
ATTEMPTS = 12

s3 = boto3.client("s3")


class Unreadable(ValueError):
    """What is there is left as it is: half of it understood would be half of it lost."""


def handler(event, _context):
    """Takes in the messages of a queue; without any, dates and prunes the list."""
    records = event.get("Records", [])
    entries, failures = [], []
    for record in records:
        try:
            entries += entries_of(json.loads(record["body"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # It goes to the dead-letter queue, where somebody will see it.
            print(f"message {record.get('messageId')} cannot be read: {error!r}")
            failures.append({"itemIdentifier": record.get("messageId")})
    if entries or not records:
        rewrite(entries)
    return {"batchItemFailures": failures}


def entries_of(event):
    """The pools, and the user who must have signed in since when, in an event of CloudTrail."""
    detail = event["detail"]
    if detail["eventSource"] != "cognito-idp.amazonaws.com" or detail["eventName"] not in SIGNED_OUT:
        raise Unreadable(f"found {detail['eventName']!r}; expected one of {sorted(SIGNED_OUT)}")
    # A call that was refused has signed nobody out: whoever may not do it locks nobody out, either.
    if detail.get("errorCode"):
        return []
    known = os.environ["USER_POOL_IDS"].split(",")
    more = detail.get("additionalEventData") or {}
    pool = (detail.get("requestParameters") or {}).get("userPoolId") or more.get("userPoolId")
    # Whoever shows a token of their own names no pool. A user's id is in no other pool.
    pools = known if pool is None else [pool] if pool in known else []
    user = more["sub"]
    if not isinstance(user, str) or not user:
        raise Unreadable("found no user id in additionalEventData.sub")
    # CloudTrail cuts times to whole seconds: only the next one is certainly later.
    before = int(datetime.fromisoformat(detail["eventTime"]).timestamp()) + 1
    return [(pool, user, before) for pool in pools]


def rewrite(entries):
    """Adds entries to the list, prunes it and dates it, whoever else writes it meanwhile."""
    place = {"Bucket": os.environ["BUCKET"], "Key": os.environ["KEY"]}
    for attempt in range(ATTEMPTS):
        # A list that is not there is not begun anew: nobody would be signed out any more.
        found = s3.get_object(**place)
        document = read(found["Body"].read())
        now = int(time.time())
        if document["written_at"] > now + MAX_AHEAD:
            raise Unreadable(f"found a list of {document['written_at']}, which is yet to come")
        for pool, user, before in entries:
            users = document["pools"].setdefault(pool, {}).setdefault("signed_in_before", {})
            users[user] = max(before, users.get(user, 0))
        prune(document["pools"], now)
        document["written_at"] = max(now, document["written_at"])
        body = json.dumps(document, separators=(",", ":")).encode()
        try:
            s3.put_object(
                **place, Body=body, ContentType="application/json", IfMatch=found["ETag"]
            )
        except ClientError as error:
            # Somebody else was faster: their entries must not be lost.
            if error.response["Error"]["Code"] not in (
                "PreconditionFailed",
                "ConditionalRequestConflict",
            ):
                raise
        else:
            print(f"{len(entries)} entries taken in, {len(body)} bytes written")
            return
        time.sleep(random.uniform(0, min(2, 0.05 * 2**attempt)))
    raise TimeoutError(f"the list was written by others {ATTEMPTS} times in a row")


def prune(pools, now):
    """Takes out what no token can outlive. An id without a time stays."""
    refresh = int(os.environ["REFRESH_DAYS"]) * DAY
    for pool, members in list(pools.items()):
        for name, held in list(members.items()):
            life = TOKEN_LIFE + (refresh if name in OUTLIVE_REFRESH else 0)
            if isinstance(held, dict):
                held = {id: time for id, time in held.items() if time + life >= now}
            if held:
                members[name] = held
            else:
                del members[name]
        if not members:
            del pools[pool]


def read(text):
    """The list, if it is one in every part."""
    document = json.loads(
        text, object_pairs_hook=without_twins, parse_float=whole, parse_constant=unwanted
    )
    if not isinstance(document, dict) or set(document) != {"version", "written_at", "pools"}:
        raise Unreadable("expected an object of version, written_at and pools")
    if not all(map(is_time, (document["version"], document["written_at"]))) or document["version"] != 1:
        raise Unreadable("expected version 1, and written_at in seconds since 1970")
    if not isinstance(document["pools"], dict):
        raise Unreadable("expected pools to be an object")
    for pool, members in document["pools"].items():
        if not isinstance(members, dict) or not set(members) <= TIMES | IDS:
            raise Unreadable(f"found an unknown member in {pool}")
        for name, held in members.items():
            is_list = name in IDS and isinstance(held, list)
            if is_list and all(isinstance(id, str) for id in held):
                continue
            if not isinstance(held, dict) or not all(is_time(time) for time in held.values()):
                raise Unreadable(f"expected {name} of {pool} to be an object of times")
    return document


def without_twins(members):
    """An object in which no name stands twice: one of the two would be lost."""
    found = dict(members)
    if len(found) != len(members):
        raise Unreadable("found a name twice in one object")
    return found


def whole(text):
    """1795900000.0 is a whole number, too."""
    number = float(text)
    return int(number) if number.is_integer() else unwanted(text)


def unwanted(text):
    raise Unreadable(f"found {text}; expected whole numbers")


def is_time(value):
    # True and False are numbers in Python.
    return type(value) is int and value >= 0

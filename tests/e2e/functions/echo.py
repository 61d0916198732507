"""Allows everything, and hands on what it was told."""
import json


def handler(event, context):
    allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    return {
        "principalId": "me",
        "policyDocument": {"Version": "2012-10-17", "Statement": [allow]},
        "context": {"event": json.dumps(event)},
    }

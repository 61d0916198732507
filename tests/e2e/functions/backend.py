"""What is behind the emulator's own API: says what the authorizer had said."""
import json


def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event["requestContext"].get("authorizer"))}

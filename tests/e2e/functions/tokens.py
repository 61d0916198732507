"""A TOKEN authorizer that knows its tokens by heart: allow, deny, unauthorized, and whatever else fails."""


def policy(effect, resource):
    return {
        "principalId": "user",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}],
        },
        "context": {"stringKey": "stringval", "numberKey": 123, "booleanKey": True},
    }


def handler(event, context):
    token = event["authorizationToken"].lower()
    if token == "allow":
        return policy("Allow", event["methodArn"])
    if token == "deny":
        return policy("Deny", event["methodArn"])
    if token == "unauthorized":
        raise Exception("Unauthorized")
    raise ValueError("no such token")

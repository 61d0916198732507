"""An authorizer for events of every format, whose policies say from where, what not, and more."""

EVERYTHING = "arn:aws:execute-api:*:*:*"


def statement(effect, **more):
    return {"Effect": effect, "Action": "execute-api:Invoke", **more}


STATEMENTS = {
    # Allowed from these addresses only.
    "loopback": [statement("Allow", Resource=EVERYTHING, Condition={"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}})],
    "office": [statement("Allow", Resource=EVERYTHING, Condition={"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}})],
    # Refused to them.
    "elsewhere": [
        statement("Allow", Resource=EVERYTHING),
        statement("Deny", Resource=EVERYTHING, Condition={"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}}),
    ],
    # A condition of which nothing can be known here.
    "tagged": [statement("Allow", Resource=EVERYTHING, Condition={"StringEquals": {"aws:PrincipalTag/team": "a"}})],
    "untagged": [
        statement("Allow", Resource=EVERYTHING),
        statement("Deny", Resource=EVERYTHING, Condition={"StringNotEquals": {"aws:PrincipalTag/team": "a"}}),
    ],
    # All but the orders.
    "others": [
        statement("Allow", Resource=EVERYTHING),
        statement("Deny", NotResource=[EVERYTHING + "/GET/other*"]),
    ],
    # A right to something else.
    "storage": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    "capital": [{"Effect": "Allow", "Action": "Execute-API:invoke", "Resource": EVERYTHING}],
}


def handler(event, context):
    headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
    token = event.get("authorizationToken") or headers["authorization"]
    return {
        "principalId": token,
        "policyDocument": {"Version": "2012-10-17", "Statement": STATEMENTS[token]},
    }

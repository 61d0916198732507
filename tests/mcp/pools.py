"""The people and programs of the tests, in an emulator of Cognito: pools.py ENDPOINT

Runs in the environment of the demo, which has the AWS SDK. What it makes goes to standard output as JSON.
"""

import json
import sys

REGION, PASSWORD = "us-east-1", "Correct-horse-7"
# Nothing listens there: the person in the tests reads the redirect, as the browser would follow it.
CALLBACK = "http://127.0.0.1:8765/callback"
# What clients name as the resource, Cognito knows as a resource server.
RESOURCE = "https://api.example.com/mcp"
SCOPES = [f"{RESOURCE}/use", f"{RESOURCE}/admin"]


def app_client(cognito, pool, name, **settings):
    people = {
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": SCOPES,
        "AllowedOAuthFlowsUserPoolClient": True,
        "CallbackURLs": [CALLBACK],
        "SupportedIdentityProviders": ["COGNITO"],
    }
    made = cognito.create_user_pool_client(UserPoolId=pool, ClientName=name, **people | settings)["UserPoolClient"]
    return {"id": made["ClientId"], "secret": made.get("ClientSecret")}


def user_pool(cognito, name):
    pool = cognito.create_user_pool(PoolName=name)["UserPool"]["Id"]
    scopes = [{"ScopeName": scope.rsplit("/", 1)[1], "ScopeDescription": scope} for scope in SCOPES]
    cognito.create_resource_server(UserPoolId=pool, Identifier=RESOURCE, Name="MCP", Scopes=scopes)
    cognito.create_user_pool_domain(Domain=name, UserPoolId=pool)
    people = {}
    for person in ("alice", "bob"):
        user = cognito.admin_create_user(UserPoolId=pool, Username=person, MessageAction="SUPPRESS")["User"]
        cognito.admin_set_user_password(UserPoolId=pool, Username=person, Password=PASSWORD, Permanent=True)
        people[person] = next(one["Value"] for one in user["Attributes"] if one["Name"] == "sub")
    seconds = {"AccessToken": "seconds"}
    clients = {
        "desktop": app_client(cognito, pool, "desktop"),
        "reader": app_client(cognito, pool, "reader", AllowedOAuthScopes=SCOPES[:1]),
        # Shorter than Cognito allows: nobody waits for five minutes.
        "hasty": app_client(cognito, pool, "hasty", AccessTokenValidity=4, TokenValidityUnits=seconds),
        "robot": app_client(
            cognito, pool, "robot", AllowedOAuthFlows=["client_credentials"], GenerateSecret=True, CallbackURLs=[]
        ),
    }
    return {"id": pool, "clients": clients, "people": people}


if __name__ == "__main__":
    import boto3
    from botocore.config import Config

    service = boto3.client(
        "cognito-idp",
        region_name=REGION,
        endpoint_url=sys.argv[1],
        # The account's own key: tests/harness/account.py.
        aws_access_key_id="root",
        aws_secret_access_key="root-secret",
        config=Config(proxies={}, retries={"max_attempts": 1}),
    )
    json.dump({name: user_pool(service, name) for name in ("staff", "elsewhere")}, sys.stdout)

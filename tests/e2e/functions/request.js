// A REQUEST authorizer that compares a header, a query parameter and a stage variable, each by the
// name that its author wrote, and looks where the call came from.

const allow = (principal, resource, context) => ({
  principalId: principal,
  policyDocument: {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'execute-api:Invoke', Resource: resource }],
  },
  context,
})

exports.handler = async (event) => {
  const { headers, queryStringParameters, stageVariables, pathParameters, requestContext } = event
  // Breaks where a map that is empty is anything but an empty map.
  const names = [headers, queryStringParameters, stageVariables, pathParameters].flatMap(Object.keys)
  const known = headers.HeaderAuth1 === 'headerValue1' &&
    queryStringParameters.QueryString1 === 'queryValue1' &&
    stageVariables.StageVar1 === 'stageValue1' &&
    requestContext.identity.sourceIp === '127.0.0.1' &&
    event.multiValueQueryStringParameters.QueryString1.length === 1
  if (!known) throw new Error('Unauthorized')
  const [, , , region, account, path] = event.methodArn.split(':')
  const [api, stage] = path.split('/')
  const everything = `arn:aws:execute-api:${region}:${account}:${api}/${stage}/*`
  return allow('me', everything, { method: event.httpMethod, path: event.path, names: names.length })
}

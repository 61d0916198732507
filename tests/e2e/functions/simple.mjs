// An HTTP API's authorizer with simple responses.

export const handler = async ({ version, headers, routeArn, identitySource, requestContext }) => {
  const [token] = identitySource
  if (version !== '2.0' || headers.authorization !== token) throw new Error('not the event')
  switch (token) {
    case 'yes':
      return {
        isAuthorized: true,
        context: { tenantId: 'north', roles: ['a', 'b'], limits: { a: 1 }, path: requestContext.http.path },
      }
    case 'no':
      return { isAuthorized: false }
    case 'maybe':
      return { isAuthorized: 'true' }
    case 'policy':
      return {
        principalId: 'user',
        policyDocument: {
          Version: '2012-10-17',
          Statement: { Effect: 'Allow', Action: 'execute-api:Invoke', Resource: routeArn },
        },
      }
    default:
      throw new Error('Unauthorized')
  }
}

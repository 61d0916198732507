// The demo's Lambda authorizer, of type TOKEN: a partner's key opens what is below /partners/orders.
export const handler = async ({ authorizationToken, methodArn }) => {
  if (authorizationToken !== 'Bearer north-key') throw new Error('Unauthorized')
  // For all that the key opens, and not for the one method that was asked for: the answer is remembered.
  const [api, stage] = methodArn.split('/')
  return {
    principalId: 'north-trading',
    policyDocument: {
      Version: '2012-10-17',
      Statement: [{
        Effect: 'Allow',
        Action: 'execute-api:Invoke',
        Resource: `${api}/${stage}/*/partners/orders*`,
      }],
    },
    context: { tenantId: 'north' },
  }
}

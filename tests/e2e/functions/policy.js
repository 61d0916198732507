// A TOKEN authorizer with a class that builds the policy from the method's ARN, as many start from.
// What may be done stands in the token, so that a test can say it: `Bearer reader`.

class Policy {
  constructor(principal, methodArn) {
    const [, partition, , region, account, path] = methodArn.split(/:/, 6)
    const [api, stage] = path.split('/')
    this.principal = principal
    this.base = `arn:${partition}:execute-api:${region}:${account}:${api}/${stage}`
    this.allowed = []
    this.denied = []
  }

  add(list, verb, resource) {
    const path = resource.replace(/^\//, '')
    list.push(`${this.base}/${verb}/${path}`)
  }

  // A list without anything in it is a statement all the same.
  statement(effect, resources) {
    return { Action: 'execute-api:Invoke', Effect: effect, Resource: resources }
  }

  build() {
    const statements = [this.statement('Allow', this.allowed), this.statement('Deny', this.denied)]
    return {
      principalId: this.principal,
      policyDocument: { Version: '2012-10-17', Statement: statements },
    }
  }
}

exports.handler = function (event, context, callback) {
  const name = event.authorizationToken.replace(/^Bearer /, '')
  const policy = new Policy(`user|${name}`, event.methodArn)
  switch (name) {
    case 'admin':
      policy.add(policy.allowed, '*', '/*')
      break
    case 'reader':
      policy.add(policy.allowed, 'GET', '/orders/*')
      policy.add(policy.denied, '*', '/orders/secret')
      break
    case 'nobody':
      policy.add(policy.denied, '*', '/*')
      break
    case 'here':
      policy.allowed.push(event.methodArn)
      break
    case 'expired':
      return callback('Unauthorized')
    default:
      return callback(new Error(`no such token: ${name}`))
  }
  const answer = policy.build()
  answer.context = { tenantId: 'north', level: 12, internal: true }
  callback(null, answer)
}

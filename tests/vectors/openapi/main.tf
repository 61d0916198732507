resource "aws_apigatewayv2_authorizer" "pool" {
  jwt_configuration {
    issuer = "https://${aws_cognito_user_pool.pool.endpoint}"
  }
}
